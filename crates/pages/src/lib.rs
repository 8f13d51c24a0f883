//! A transactional page store on a block device, with an ordered map, a radix array and a log over its pages.
