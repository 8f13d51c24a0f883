//! The list alone: an ordered map that is the same in every run.

use spinney_alloc_skiplist::SkipList;

fn main() {
    let mut list = SkipList::default();
    for (at, word) in ["oak", "ash", "elm", "yew"].into_iter().enumerate() {
        list.insert(word, at);
    }
    list.remove(&"elm");
    let words: Vec<&str> = list.iter_from(&"b").map(|(word, _)| word).collect();
    assert_eq!(words, ["oak", "yew"]);
    assert_eq!(list.before(&"b"), Some(("ash", 1)));
    assert_eq!((list.last(), list.len()), (Some(("yew", 3)), 3));
}
