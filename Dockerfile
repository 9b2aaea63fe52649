# heapwood alone in an image: `docker build -t heapwood .`, then
# `docker run --rm -v "$PWD:/data:ro" heapwood run /data/app.wasm`. `packaging/oci-layout` makes the same without a daemon.
FROM rust:1.95-bookworm AS build
WORKDIR /heapwood
COPY . .
# With a --target, build scripts and macros are built without the flag.
RUN RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --release --locked --bin heapwood --target x86_64-unknown-linux-gnu

FROM scratch
COPY --from=build /heapwood/target/x86_64-unknown-linux-gnu/release/heapwood /heapwood
ENTRYPOINT ["/heapwood"]
