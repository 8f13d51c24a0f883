//! How a list of laws becomes a module of named tests.
//!
//! Invariant: one `#[test]` a law, named as the law. Knows no law.

/// `laws!(module, law_file, [factories], [laws])`: the shared half of `index_laws!` and its like. A factory is a
/// function's name or a closure, with names that are in scope where the macro stands.
#[macro_export]
macro_rules! laws {
    ($module:ident, $file:ident, [$($factory:expr),+], [$($law:ident),+ $(,)?]) => {
        mod $module {
            use super::*;
            $crate::laws!(@each $file, [$($factory),+], [$($law),+]);
        }
    };
    (@each $file:ident, $factories:tt, [$($law:ident),+]) => {
        $($crate::laws!(@test $file, $factories, $law);)+
    };
    (@test $file:ident, [$($factory:expr),+], $law:ident) => {
        #[test]
        fn $law() {
            $crate::$file::$law($(&|| ($factory)()),+);
        }
    };
}
