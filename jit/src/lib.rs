//! Heapwood's baseline compiler: validated function bodies to x86-64 code.
