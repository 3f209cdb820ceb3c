//! The macro that declares a group of metrics.

/// Declares a struct of metrics. Each is written once: its doc comment is the help text, its field the name, and the
/// unit, if there is one, comes in parentheses. What is not made by `Default` follows after `=`.
///
/// `register` makes the group and registers all of it. A family of series shows up in the output with its first series.
macro_rules! metrics {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $Group:ident {
            $(
                #[doc = $help:literal]
                $name:ident $(($unit:ident))? : $Metric:ty $(= $made:expr)?,
            )+
        }
    ) => {
        $(#[$attribute])*
        $visibility struct $Group {
            $(#[doc = $help] $name: $Metric,)+
        }

        impl $Group {
            pub(super) fn register(registry: &mut ::prometheus_client::registry::Registry) -> Self {
                let group = Self { $($name: metrics!(@make $($made)?),)+ };
                $(metrics!(@register registry, group.$name.clone(), stringify!($name), $help.trim() $(, $unit)?);)+
                group
            }
        }
    };
    (@make) => { Default::default() };
    (@make $made:expr) => { $made };
    (@register $registry:ident, $metric:expr, $name:expr, $help:expr) => {
        $registry.register($name, $help, $metric)
    };
    (@register $registry:ident, $metric:expr, $name:expr, $help:expr, $unit:ident) => {
        $registry.register_with_unit($name, $help, ::prometheus_client::registry::Unit::$unit, $metric)
    };
}

pub(super) use metrics;
