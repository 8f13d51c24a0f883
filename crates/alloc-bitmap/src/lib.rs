//! Bitmap free-space index with summary levels, and its activemap-style bitmap pages.
