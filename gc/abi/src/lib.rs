//! Object layout, header bits and fast paths of the Heapwood heap, as plain data.
