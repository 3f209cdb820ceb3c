//! Members of a session that are stored as JSON (`sessions.decided`, `sessions.reported`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::event::NamedClients;
use crate::domain::ids::ClientId;
use crate::domain::session::{Member, Session};

/// The clients whose part in the end of a session is decided: `true` stands for all participants, which most often
/// they are.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::storage) enum DecidedRecord {
    AllParticipants(bool),
    Clients(BTreeSet<ClientId>),
}

impl DecidedRecord {
    pub(in crate::storage) fn of(session: &Session) -> Self {
        let all = session.ended.is_some() && session.participants.keys().eq(&session.decided);
        if all { Self::AllParticipants(true) } else { Self::Clients(session.decided.clone()) }
    }

    pub(in crate::storage) fn clients(self, participants: &NamedClients) -> BTreeSet<ClientId> {
        match self {
            Self::AllParticipants(_) => participants.keys().cloned().collect(),
            Self::Clients(clients) => clients,
        }
    }
}

/// A member that has a time of its own in `reported`, which is a map from these to milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::storage) enum MemberRecord {
    SessionMetadata,
    AuthenticatedAt,
    IdleExpiresAt,
    ExpiresAt,
    Device,
    Authentication,
    LastInteractedAt,
    Cookie,
}

impl From<Member> for MemberRecord {
    fn from(member: Member) -> Self {
        match member {
            Member::SessionMetadata => Self::SessionMetadata,
            Member::AuthenticatedAt => Self::AuthenticatedAt,
            Member::IdleExpiresAt => Self::IdleExpiresAt,
            Member::ExpiresAt => Self::ExpiresAt,
            Member::Device => Self::Device,
            Member::Authentication => Self::Authentication,
            Member::LastInteractedAt => Self::LastInteractedAt,
            Member::Cookie => Self::Cookie,
        }
    }
}

impl From<MemberRecord> for Member {
    fn from(record: MemberRecord) -> Self {
        match record {
            MemberRecord::SessionMetadata => Self::SessionMetadata,
            MemberRecord::AuthenticatedAt => Self::AuthenticatedAt,
            MemberRecord::IdleExpiresAt => Self::IdleExpiresAt,
            MemberRecord::ExpiresAt => Self::ExpiresAt,
            MemberRecord::Device => Self::Device,
            MemberRecord::Authentication => Self::Authentication,
            MemberRecord::LastInteractedAt => Self::LastInteractedAt,
            MemberRecord::Cookie => Self::Cookie,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::domain::initiator::Initiator;
    use crate::domain::session::{Ended, SessionKey};
    use crate::storage::records::golden::round_trip;

    fn ended_session() -> Session {
        let key = SessionKey(Uuid::from_u128(1));
        let mut session = Session::new(key, "s-1".parse().unwrap(), Timestamp::UNIX_EPOCH);
        session.participants = ["blog", "shop"].map(|id| (id.parse().unwrap(), None)).into();
        session.ended = Some(Ended { at: Timestamp::UNIX_EPOCH, initiator: Initiator::RpLogout });
        session
    }

    #[test]
    fn the_stored_form_of_decided_clients_is_pinned() {
        let mut session = ended_session();
        for (name, decided) in [
            ("decided_none", &[][..]),
            ("decided_some", &["blog"][..]),
            ("decided_all_participants", &["blog", "shop"][..]),
        ] {
            session.decided = decided.iter().map(|id| id.parse().unwrap()).collect();
            let read = round_trip(name, &DecidedRecord::of(&session));
            assert_eq!(read.clients(&session.participants), session.decided);
        }
    }

    #[test]
    fn the_stored_form_of_reported_members_is_pinned() {
        let reported: BTreeMap<_, _> = Member::ALL.into_iter().map(MemberRecord::from).zip(0_i64..).collect();
        let read = round_trip("reported", &reported);
        assert_eq!(read.into_keys().map(Member::from).collect::<Vec<_>>(), Member::ALL);
    }

    /// Maps and lists of single values, as columns have them.
    #[test]
    fn the_stored_form_of_plain_maps_is_pinned() {
        let mut session = ended_session();
        session.participants.insert("shop".parse().unwrap(), Some("own-sub".parse().unwrap()));
        assert_eq!(round_trip("participants", &session.participants), session.participants);
        let metadata = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
        session.session_metadata = metadata.try_into().unwrap();
        assert_eq!(round_trip("session_metadata", &session.session_metadata), session.session_metadata);
    }
}
