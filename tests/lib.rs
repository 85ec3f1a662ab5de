//! Threshflow.
