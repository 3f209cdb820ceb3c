//! The operations of operators: changes of clients, and redelivery.

use logoutd::domain::client;
use logoutd::domain::delivery::{DeliveryFilter, State};
use logoutd::domain::ids::DeliveryId;
use logoutd::domain::initiator::Initiators;
use logoutd::domain::redelivery::{DEAD_LETTERS, JobId, RedeliveryJob, RedeliveryRefusal};
use uuid::Uuid;

use super::machine::{CLIENTS, MAX_AGE, Machine, client_id};
use super::model::Client;
use crate::samples::job;

impl Machine {
    pub(super) async fn configure(&self) {
        let clients: Vec<client::Client> = (0..CLIENTS)
            .filter(|client| self.model.clients[*client].registered)
            .map(|client| self.registration(client))
            .collect();
        self.store().replace_file_clients(&clients, self.now).await.unwrap();
    }

    fn registration(&self, client: usize) -> client::Client {
        let Client { subscribed, enabled, .. } = self.model.clients[client];
        client::Client {
            backchannel_logout_uri: subscribed.then(|| "https://rp.example.com/".parse().unwrap()),
            initiators: Initiators::All,
            enabled,
            ..client::Client::new(client_id(client))
        }
    }

    pub(super) async fn redeliver(&mut self, delivery: usize) {
        let ids: Vec<Uuid> = self.model.deliveries.keys().copied().collect();
        let Some(id) = ids.get(delivery % ids.len().max(1)).copied() else { return };
        let expires_at = self.now + MAX_AGE;
        let got = self.store().redeliver(DeliveryId(id), expires_at, self.now).await.unwrap().unwrap();
        let delivery = self.model.deliveries.get_mut(&id).unwrap();
        let client = client_id(delivery.client);
        match delivery.state {
            State::InFlight => assert_eq!(got, Err(RedeliveryRefusal::InFlight)),
            State::Pending => {
                assert_eq!(got, Ok(client));
                delivery.due_at = delivery.due_at.min(self.now);
            }
            _ if !self.model.clients[delivery.client].is_subscribed() => {
                assert_eq!(got, Err(RedeliveryRefusal::NotSubscribed(client)));
            }
            _ => {
                assert_eq!(got, Ok(client));
                self.model.requeue(id, expires_at, self.now);
            }
        }
    }

    /// Two deliveries at a time, so that a job has several steps.
    pub(super) async fn redeliver_all(&mut self, client: usize) {
        let filter = DeliveryFilter {
            client_id: Some(client_id(client)),
            states: Some(DEAD_LETTERS.into()),
            ..DeliveryFilter::default()
        };
        let expected: Vec<Uuid> = self
            .model
            .deliveries
            .iter()
            .filter(|(_, it)| it.client == client && DEAD_LETTERS.contains(&it.state))
            .map(|(id, _)| *id)
            .collect();
        let id = JobId(self.new_id());
        let until = DeliveryId(self.new_id());
        let job = RedeliveryJob { created_at: self.now, ..job(id, filter, until) };
        let job = self.store().create_job(job).await.unwrap().unwrap();
        assert_eq!(job.matched, expected.len() as u64);
        let expires_at = self.now + MAX_AGE;
        while !self.store().advance_job(id, 2, expires_at, self.now).await.unwrap().complete {}

        let job = self.store().job(id).await.unwrap().unwrap();
        let subscribed = self.model.clients[client].is_subscribed();
        let count = expected.len() as u64;
        assert_eq!((job.redelivered, job.skipped), if subscribed { (count, 0) } else { (0, count) });
        assert_eq!(self.store().unfinished_job(None).await.unwrap(), None);
        for id in expected.into_iter().filter(|_| subscribed) {
            self.model.requeue(id, expires_at, self.now);
        }
    }
}
