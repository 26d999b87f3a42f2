//! The only objects with state: a runtime with its engine, and the layers on it.

mod backward;
mod layer;
mod mixtures;
mod runtime;
mod types;

pub use layer::MoeLayer;
pub use runtime::{Device, Runtime};
pub use types::{
    BackwardOptions, BackwardRead, ForwardOptions, LayerGradients, LayerOutput, Read, Reads, Routing, Solver,
};
