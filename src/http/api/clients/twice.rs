//! Members that a client has under two names, one of each vocabulary.

use crate::http::extract::Member;
use crate::registry::InvalidMember;

/// One of the two names of a member, and what is given under it.
pub(super) struct Twice<T> {
    pub(super) name: &'static str,
    pub(super) value: Member<T>,
}

/// The value of a member that has two names. Where they differ, the one that says what is there `now` gives way:
/// somebody who sends back what was read has changed the other. `now` is of what was read just before: to go by what
/// was read some time ago would set one thing and the other in turn, each time that it is sent.
pub(super) fn agreed<T: PartialEq>(
    one: Twice<T>,
    other: Twice<T>,
    now: Option<&Member<T>>,
) -> Result<Member<T>, InvalidMember> {
    match (one.value, other.value) {
        (value, Member::Absent) => Ok(value),
        (Member::Absent, other) => Ok(other),
        (value, other) if value == other || Some(&other) == now => Ok(value),
        (value, other) if Some(&value) == now => Ok(other),
        _ => {
            let problem = format!("contradicts {}; they are the same thing, give one of them", one.name);
            Err(InvalidMember::new(other.name, problem))
        }
    }
}
