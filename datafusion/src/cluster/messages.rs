//! What a plan says of searches and of links to models, between processes of the same version.

use prost::Message;

use crate::models::Link;

/// A link to a model.
#[derive(Clone, PartialEq, Message)]
pub(super) struct LinkMessage {
    #[prost(string, tag = "1")]
    fingerprint: String,
    #[prost(string, optional, tag = "2")]
    location: Option<String>,
}

/// A [`CodesTopKExec`](crate::CodesTopKExec) without its input.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SearchMessage {
    #[prost(message, required, tag = "1")]
    pub(super) link: LinkMessage,
    /// The expression of the codes, a `PhysicalExprNode`.
    #[prost(bytes, tag = "2")]
    pub(super) codes: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) metric: String,
    #[prost(float, repeated, tag = "4")]
    pub(super) query: Vec<f32>,
    #[prost(uint64, tag = "5")]
    pub(super) k: u64,
}

impl From<Link> for LinkMessage {
    fn from(Link { fingerprint, location }: Link) -> Self {
        Self { fingerprint, location }
    }
}

impl From<LinkMessage> for Link {
    fn from(LinkMessage { fingerprint, location }: LinkMessage) -> Self {
        Self { fingerprint, location }
    }
}
