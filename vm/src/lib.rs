//! Heapwood's embedding API and runtime.
