//! The normaliser from outside.

mod hostile_rules;
