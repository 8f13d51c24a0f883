//! Whole-volume crash lives, planted faults and differential runs over every registered pair.
