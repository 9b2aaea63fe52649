//! Checkpoints of stores, rollbacks and forks, compared with a model of a guest that has state of every kind.

#[path = "checkpoints/handles.rs"]
mod handles;
#[path = "checkpoints/model.rs"]
mod model;
#[path = "checkpoints/programs.rs"]
mod programs;
#[path = "common/random.rs"]
mod random;
#[path = "checkpoints/refused.rs"]
mod refused;
#[path = "checkpoints/saved.rs"]
mod saved;
