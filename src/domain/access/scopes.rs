//! A set of scopes.

use std::fmt;
use std::str::FromStr;

use super::scope::{Scope, UnknownScope};

/// A set of scopes. As text: names separated by spaces (RFC 6749 §3.3).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ScopeSet(u16);

impl ScopeSet {
    /// Every scope.
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// The scopes among these names. Unknown names are ignored: a token may carry scopes of other services.
    pub fn known_among<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        names.into_iter().filter_map(|name| name.parse::<Scope>().ok()).collect()
    }

    /// Whether the set contains this scope.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// Whether the set has no scope.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes of both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Its scopes, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

const _: () = assert!(Scope::ALL.len() <= 16, "a scope is a bit of a u16");

fn bit(scope: Scope) -> u16 {
    1 << scope as u16
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | bit(scope)))
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, scope) in self.iter().enumerate() {
            let separator = if i == 0 { "" } else { " " };
            write!(f, "{separator}{scope}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Scope::as_str)).finish()
    }
}

impl FromStr for ScopeSet {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        text.split_ascii_whitespace().map(str::parse).collect()
    }
}

impl TryFrom<String> for ScopeSet {
    type Error = UnknownScope;

    fn try_from(text: String) -> Result<Self, UnknownScope> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_in(scopes in proptest::sample::subsequence(&Scope::ALL, 0..=Scope::ALL.len())) {
            let set: ScopeSet = scopes.iter().copied().collect();
            for scope in Scope::ALL {
                prop_assert_eq!(set.contains(scope), scopes.contains(&scope), "{}", scope);
            }
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), scopes);
            prop_assert_eq!(set.to_string().parse::<ScopeSet>().unwrap(), set);
        }
    }

    #[test]
    fn a_union_has_the_scopes_of_both_sets() {
        let read: ScopeSet = "read:logs read:clients read:logs".parse().unwrap();
        let write = ScopeSet::try_from("read:logs update:clients".to_owned()).unwrap();
        assert_eq!(read.to_string(), "read:clients read:logs");
        assert_eq!(read.union(write).to_string(), "read:clients update:clients read:logs");
        assert!(!read.is_empty() && ScopeSet::default().is_empty());
        assert_eq!(ScopeSet::default().union(read), read);
        assert_eq!(ScopeSet::all().iter().collect::<Vec<_>>(), Scope::ALL);
    }

    #[test]
    fn known_among_ignores_unknown_scopes_and_parsing_rejects_them() {
        let granted = ScopeSet::known_among(["openid", "read:logs", "READ:CLIENTS"]);
        assert_eq!(granted.to_string(), "read:logs");
        assert!("openid read:logs".parse::<ScopeSet>().is_err());
    }
}
