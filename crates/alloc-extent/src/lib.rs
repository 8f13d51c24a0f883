//! Twin ordered maps with best fit, and their tree form.
