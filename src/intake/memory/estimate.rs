//! How much memory an event takes, roughly: enough to bound the sum.

use crate::domain::event::{Event, EventBody, NamedClients, Target};
use crate::domain::ids::Sub;
use crate::domain::metadata::SessionMetadata;
use crate::domain::session_details::SessionDetails;

/// What every event takes, in bytes: itself, and the first node of each of its maps.
const BASE: usize = size_of::<Event>() + 1024;

/// What an entry of a map takes beside the bytes of its texts: two texts, in a node that is two thirds full, and the
/// allocator's overhead.
const ENTRY: usize = 96;

/// About how many bytes an event takes in memory.
pub(super) fn estimated_size(event: &Event) -> usize {
    let body = match &event.body {
        EventBody::Created(it) => {
            it.sid.as_str().len()
                + of_sub(Some(&it.sub))
                + clients(&it.clients)
                + metadata(Some(&it.session_metadata))
                + details(&it.details)
        }
        EventBody::ClientAdded(it) => {
            it.sid.as_str().len() + it.client_id.as_str().len() + of_sub(it.sub.as_ref())
        }
        EventBody::Updated(it) => {
            it.sid.as_str().len() + metadata(it.session_metadata.as_ref()) + details(&it.details)
        }
        EventBody::Terminated(it) => {
            let target = match &it.target {
                Target::Session { sid, sub } => sid.as_str().len() + of_sub(sub.as_ref()),
                Target::Subject(sub) => of_sub(Some(sub)),
            };
            let excluded: usize = it.exclude_clients.iter().map(|id| ENTRY + id.as_str().len()).sum();
            target + clients(&it.clients) + metadata(Some(&it.session_metadata)) + excluded
        }
    };
    BASE + event.source.len() + event.id.len() + body
}

fn clients(named: &NamedClients) -> usize {
    named.iter().map(|(id, sub)| ENTRY + id.as_str().len() + of_sub(sub.as_ref())).sum()
}

fn metadata(metadata: Option<&SessionMetadata>) -> usize {
    let entries = metadata.into_iter().flat_map(SessionMetadata::entries);
    entries.map(|(key, value)| ENTRY + key.len() + value.len()).sum()
}

fn details(details: &SessionDetails) -> usize {
    let whereabouts = details.device.iter().flat_map(|device| [&device.initial, &device.last]);
    let agents = whereabouts.filter_map(|it| it.user_agent.as_ref()).map(|agent| agent.as_str().len());
    let methods = details.authentication.iter().flatten();
    agents.sum::<usize>() + methods.map(|it| ENTRY + it.name.as_str().len()).sum::<usize>()
}

fn of_sub(sub: Option<&Sub>) -> usize {
    sub.map_or(0, |sub| sub.as_str().len())
}
