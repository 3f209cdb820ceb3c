//! `clients` in an event's data: a list of ids, or of objects for clients with a `sub` of their own.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::domain::event::NamedClients;
use crate::domain::ids::{ClientId, Sub};
use crate::domain::plan::MAX_CLIENTS;

/// The list, as a map from client to its own `sub`.
#[derive(Default)]
pub(super) struct NamedClientList(pub(super) NamedClients);

impl<'de> Deserialize<'de> for NamedClientList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = NamedClientList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of client ids or of {\"client_id\", \"sub\"} objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<NamedClientList, A::Error> {
        let mut named = NamedClients::new();
        while list.next_element_seed(Item(&mut named))?.is_some() {
            if named.len() > MAX_CLIENTS {
                return Err(too_many());
            }
        }
        Ok(NamedClientList(named))
    }
}

fn too_many<E: serde::de::Error>() -> E {
    E::custom(format_args!("must name at most {MAX_CLIENTS} clients: a session has no more"))
}

/// `exclude_clients`: ids, as many as a session can have.
#[derive(Default, serde::Deserialize)]
#[serde(try_from = "BTreeSet<ClientId>")]
pub(super) struct ExcludedClients(pub(super) BTreeSet<ClientId>);

impl TryFrom<BTreeSet<ClientId>> for ExcludedClients {
    type Error = serde::de::value::Error;

    fn try_from(ids: BTreeSet<ClientId>) -> Result<Self, Self::Error> {
        if ids.len() > MAX_CLIENTS { Err(too_many()) } else { Ok(Self(ids)) }
    }
}

/// Adds one client of a list. A repeated client is allowed only with the same `sub`: its token can have only one.
struct Item<'n>(&'n mut NamedClients);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let NamedClient { client_id, sub } = NamedClient::deserialize(deserializer)?;
        if self.0.get(&client_id).is_some_and(|earlier| *earlier != sub) {
            let message = format!("client {client_id:?} is in this list already, with another `sub`");
            return Err(D::Error::custom(message));
        }
        self.0.insert(client_id, sub);
        Ok(())
    }
}

struct NamedClient {
    client_id: ClientId,
    sub: Option<Sub>,
}

impl<'de> Deserialize<'de> for NamedClient {
    // By hand, because serde's untagged enums say only that nothing matched.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClientVisitor)
    }
}

struct ClientVisitor;

impl<'de> Visitor<'de> for ClientVisitor {
    type Value = NamedClient;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a client id or a {\"client_id\", \"sub\"} object")
    }

    fn visit_str<E: serde::de::Error>(self, id: &str) -> Result<NamedClient, E> {
        Ok(NamedClient { client_id: id.parse().map_err(E::custom)?, sub: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<NamedClient, A::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields {
            client_id: ClientId,
            sub: Option<Sub>,
        }

        let Fields { client_id, sub } = Fields::deserialize(MapAccessDeserializer::new(map))?;
        Ok(NamedClient { client_id, sub })
    }
}
