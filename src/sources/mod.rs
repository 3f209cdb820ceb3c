//! Where events come from: a module for each kind of source.
//!
//! A source parses its wire form into [domain events](crate::domain::event), hands them to
//! [`intake`](crate::intake), and renders what intake answers in terms of its own wire form. It decides nothing about
//! sessions or deliveries.

pub mod cloudevents;
