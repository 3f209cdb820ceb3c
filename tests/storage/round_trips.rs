//! What is stored is read back as it was, and found by what it is to be found by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use logoutd::domain::access::{ApiToken, Caller, Reporter, ScopeSet, SourceLimit, TokenHash, TokenId};
use logoutd::domain::client::{Client, ClientRecord, Origin, SpelledOut, SubjectType, TokenOptions};
use logoutd::domain::delivery::{DeliveryFilter, State};
use logoutd::domain::ids::{ClientId, DeliveryId, Sid, Sub};
use logoutd::domain::initiator::{Initiator, Initiators};
use logoutd::domain::log::{Actor, Change, DeliveryOutcome, LogEntry, LogEvent, LogFilter, LogId};
use logoutd::domain::metadata::MetadataChoice;
use logoutd::domain::receipt::Receipt;
use logoutd::domain::redelivery::JobId;
use logoutd::domain::session::{EndNumber, Ended, SubjectEnd};
use logoutd::storage::{
    AcceptedEvent, Changes, ClientFilter, EventDigest, EventKey, Known, Part, Storage, Wanted,
};
use uuid::Uuid;

use crate::backends::TestStore;
use crate::samples::{client, intent, job, later, live_session, metadata, now, session, summary};

async fn store(store: &dyn Storage, changes: &Changes<'_>) {
    let mut transaction = store.begin().await.unwrap();
    transaction.store(changes, now()).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn load(store: &dyn Storage, wanted: &Wanted) -> Known {
    store.begin().await.unwrap().load(wanted).await.unwrap()
}

pub async fn a_client_is_read_as_it_was_stored(backend: &dyn TestStore) {
    let opened = backend.open().await;
    let client_id: ClientId = "shop".parse().unwrap();
    let registered = Client {
        client_name: Some("The \"shop\"".to_owned()),
        backchannel_logout_session_required: true,
        initiators: Initiators::Selected([Initiator::RpLogout].into()),
        session_metadata: MetadataChoice::Keys(["tier".to_owned()].into()),
        token: TokenOptions::default(),
        subject_type: SubjectType::Pairwise,
        sector_identifier_uri: Some("https://sector.example.com/".parse().unwrap()),
        enabled: false,
        spelled_out: SpelledOut { initiators: true, no_session_metadata: true },
        descriptive: BTreeMap::from([("app_type".to_owned(), "spa".into())]),
        ..client(&client_id)
    };
    assert!(opened.create_client(&registered, now()).await.unwrap());
    assert!(!opened.create_client(&registered, now()).await.unwrap(), "its id is taken");
    let record = opened.client(&client_id).await.unwrap().unwrap();
    let expected = ClientRecord {
        client: registered,
        origin: Origin::Api,
        subscribed: true,
        revision: record.revision,
        created_at: now(),
        updated_at: now(),
    };
    assert_eq!(record, expected);
    assert_eq!(opened.clients(&ClientFilter::default(), None, 0, 10).await.unwrap(), [expected]);

    assert!(opened.replace_client(&record, later(1)).await.unwrap());
    assert!(!opened.replace_client(&record, later(2)).await.unwrap(), "its revision is another");
    assert!(opened.delete_client(&client_id, later(3)).await.unwrap());
    assert_eq!(opened.client(&client_id).await.unwrap(), None);
    opened.close().await;
}

pub async fn a_session_is_read_as_it_was_stored(backend: &dyn TestStore) {
    let opened = backend.open().await;
    let sid: Sid = "s-1".parse().unwrap();
    for stored in [live_session(&sid), session(&sid)] {
        store(&*opened, &Changes { sessions: vec![&stored], ..Changes::default() }).await;
        assert_eq!(opened.session(&sid).await.unwrap().as_ref(), Some(&stored));
        let wanted = Wanted { sids: [sid.clone()].into(), ..Wanted::default() };
        let known = load(&*opened, &wanted).await;
        assert_eq!(known.sessions.into_iter().map(|it| it.session).collect::<Vec<_>>(), [stored]);
    }
    opened.close().await;
}

pub async fn an_event_is_answered_as_it_was(backend: &dyn TestStore) {
    let opened = backend.open().await;
    let key = EventKey {
        reporter: Reporter::of(&Caller::Bootstrap),
        source: "https://op.example.com".to_owned(),
        id: "event-1".to_owned(),
    };
    let receipt = Receipt {
        id: "event-1".to_owned(),
        sessions: vec!["s-1".parse().unwrap()],
        deliveries: vec![summary(1), summary(2)],
    };
    let digest = EventDigest { version: 2, bytes: [7; 32] };
    let accepted = AcceptedEvent { digest, receipt: receipt.clone(), end: Some(EndNumber(3)) };
    store(&*opened, &Changes { events: vec![(&key, &accepted)], ..Changes::default() }).await;

    let elsewhere = EventKey {
        reporter: Reporter::of(&Caller::Jwt { subject: None, client: Some("other".parse().unwrap()) }),
        ..key.clone()
    };
    let wanted = Wanted { events: [key.clone(), elsewhere.clone()].into(), ..Wanted::default() };
    let known = load(&*opened, &wanted).await;
    let before = &known.events[&key];
    assert_eq!((before.digest, before.end), (digest, Some(EndNumber(3))));
    assert_eq!(opened.answer(&before.answer).await.unwrap(), Some(receipt));
    assert!(!known.events.contains_key(&elsewhere), "ids are a reporter's own");
    assert_eq!(known.elsewhere[&elsewhere][0].accepted, *before);
    opened.close().await;
}

pub async fn an_end_and_its_parts_are_read_as_they_were_stored(backend: &dyn TestStore) {
    let opened = backend.open().await;
    let (alice, own): (Sub, Sub) = ("alice".parse().unwrap(), "alice-at-shop".parse().unwrap());
    let (shop, blog): (ClientId, ClientId) = ("shop".parse().unwrap(), "blog".parse().unwrap());
    let number = EndNumber(1);
    let end = SubjectEnd {
        number,
        sub: alice.clone(),
        ended: Ended { at: later(1), initiator: Initiator::AccountDeactivated },
        clients: [(shop.clone(), Some(own.clone()))].into(),
        exclude_clients: [blog].into(),
        session_metadata: metadata(),
        notified: [(shop.clone(), own.clone())].into(),
    };
    let parts: [Part; 2] =
        ["s-1", "s-2"].map(|sid| Part { sessions: vec![sid.parse().unwrap()], deliveries: vec![summary(1)] });
    let changes = Changes {
        ends: vec![(&end, false)],
        parts: parts.iter().map(|part| (number, part)).collect(),
        notified: vec![(number, &shop, &own)],
        ..Changes::default()
    };
    store(&*opened, &changes).await;

    let wanted = Wanted {
        subs: [alice.clone()].into(),
        ends_since: BTreeSet::from([(alice.clone(), later(1)), (alice.clone(), later(2))]),
        ..Wanted::default()
    };
    let known = load(&*opened, &wanted).await;
    assert_eq!((known.last_end, known.unfinished), (number, vec![Arc::new(end.clone())]));
    let since = |seconds| known.ended_since.get(&(alice.clone(), later(seconds)));
    assert_eq!(since(1).map(|it| it.number), Some(number));
    assert_eq!(since(2), None);
    let mut transaction = opened.begin().await.unwrap();
    assert_eq!(transaction.unfinished_end(EndNumber(0)).await.unwrap().as_ref(), Some(&end));
    assert_eq!(transaction.unfinished_end(number).await.unwrap().as_ref(), Some(&end), "round robin");
    drop(transaction);
    let all = opened.parts(number).await.unwrap();
    assert_eq!(all.sessions, ["s-1".parse().unwrap(), "s-2".parse().unwrap()]);
    assert_eq!(all.deliveries, [summary(1), summary(1)]);

    assert!(!opened.is_finished(number).await.unwrap());
    store(&*opened, &Changes { finished: vec![number], ..Changes::default() }).await;
    assert!(opened.is_finished(number).await.unwrap());
    opened.close().await;
}

pub async fn an_api_token_is_read_as_it_was_stored(backend: &dyn TestStore) {
    let opened = backend.open().await;
    let token = ApiToken {
        id: TokenId(Uuid::from_u128(1)),
        name: "deploy".parse().unwrap(),
        scopes: ScopeSet::all(),
        sources: SourceLimit::Only(["https://op.example.com".parse().unwrap()].into()),
        created_at: now(),
        expires_at: Some(later(100)),
        last_used_at: None,
        revoked_at: None,
    };
    let hash = TokenHash([7; 32]);
    opened.create_token(&token, &hash).await.unwrap();
    let found = opened.token(&hash).await.unwrap().unwrap();
    assert!(found.token == token && found.hash.matches(&hash));
    assert!(opened.token(&TokenHash([8; 32])).await.unwrap().is_none());

    opened.note_uses(&[(token.id, later(5)), (token.id, later(3))]).await.unwrap();
    let revoked = opened.revoke_token(token.id, later(6)).await.unwrap();
    let used = ApiToken { last_used_at: Some(later(5)), revoked_at: Some(later(6)), ..token };
    assert!(revoked.as_ref() == Some(&used));
    assert!(opened.tokens().await.unwrap() == [used]);
    opened.close().await;
}

pub async fn a_log_entry_is_read_as_it_was_stored(backend: &dyn TestStore) {
    let opened = backend.open().await;
    let change = Change {
        succeeded: false,
        status: Some(409),
        actor: Some(Actor {
            kind: "api_token".to_owned(),
            id: Some("1".to_owned()),
            name: None,
            client_id: None,
        }),
        ..Change::by_command("Create an API token", "tokens create", vec!["1".to_owned()])
    };
    let outcome = DeliveryOutcome {
        delivery_id: DeliveryId(Uuid::from_u128(9)),
        state: State::Exhausted,
        initiator: Initiator::RpLogout,
        sid: Some("s-1".parse().unwrap()),
        attempts: 3,
        uri: Some("https://rp.example.com/".to_owned()),
        status: Some(503),
        error: Some("status_503".to_owned()),
    };
    let entry = |seconds, event| LogEntry {
        id: LogId::new(later(seconds), Uuid::from_u128(u128::from(seconds))),
        client_id: Some("shop".parse().unwrap()),
        user_id: None,
        event,
    };
    let entries = [entry(1, LogEvent::Change(Box::new(change))), entry(2, LogEvent::Outcome(outcome))];
    for entry in &entries {
        opened.record(entry).await.unwrap();
        assert_eq!(opened.log(entry.id).await.unwrap().map(|it| it.entry).as_ref(), Some(entry));
    }
    let read = opened.logs_after(&LogFilter::default(), LogId::FIRST, later(3), 10).await.unwrap();
    assert_eq!(read.records.into_iter().map(|it| it.entry).collect::<Vec<_>>(), entries);
    let read = opened.logs_after(&LogFilter::default(), entries[0].id, later(2), 10).await.unwrap();
    assert_eq!(read.records, [], "after the first, and before the second");
    opened.close().await;
}

pub async fn a_redelivery_job_is_read_as_it_was_stored(backend: &dyn TestStore) {
    let opened = backend.open().await;
    let client_id: ClientId = "shop".parse().unwrap();
    opened.create_client(&client(&client_id), now()).await.unwrap();
    let waiting = intent(1, &client_id);
    store(&*opened, &Changes { deliveries: vec![(&waiting, None)], ..Changes::default() }).await;
    let filter = DeliveryFilter {
        client_id: Some(client_id),
        states: Some(State::ALL.into()),
        initiator: Some(Initiator::RpLogout),
        created_after: Some(now()),
        created_before: Some(later(60)),
    };
    let job = job(JobId(Uuid::from_u128(1)), filter, DeliveryId(Uuid::max()));
    let created = opened.create_job(job).await.unwrap().unwrap();
    assert_eq!(opened.job(created.id).await.unwrap(), Some(created));
    opened.close().await;
}
