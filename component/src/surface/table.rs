//! All functions with their types.

use super::{Function, cli, clocks, filesystem, poll, random, streams};
use crate::abi::Type::{
    self, Bool, Borrow, Enum, Flags, List, Option as Maybe, Own, Result as Outcome, Text, Tuple, U8, U32, U64, Variant,
};

const BYTES: Type = List(&U8);
/// Seconds and nanoseconds.
const DATETIME: Type = Tuple(&[U64, U32]);
const NEW_TIMESTAMP: Type = Variant(&[None, None, Some(DATETIME)]);
/// `last-operation-failed` and `closed`.
const STREAM_ERROR: Type = Variant(&[Some(Own), None]);
const ERROR_CODE: Type = Enum(37);
const DESCRIPTOR_TYPE: Type = Enum(8);
const DESCRIPTOR_FLAGS: Type = Flags(6);
const PATH_FLAGS: Type = Flags(1);
const OPEN_FLAGS: Type = Flags(4);
const STAT: Type = Tuple(&[DESCRIPTOR_TYPE, U64, U64, Maybe(&DATETIME), Maybe(&DATETIME), Maybe(&DATETIME)]);
const HASH: Type = Tuple(&[U64, U64]);

/// What a function of a stream returns.
const fn streamed(ok: Option<&'static Type>) -> Type {
    Outcome(ok, Some(&STREAM_ERROR))
}

/// What a function of a descriptor returns.
const fn filed(ok: Option<&'static Type>) -> Type {
    Outcome(ok, Some(&ERROR_CODE))
}

macro_rules! result {
    () => {
        None
    };
    ($result:expr) => {
        Some($result)
    };
}

macro_rules! functions {
    ($( $interface:literal { $( $name:literal ( $($param:expr),* ) $(-> $result:expr)? => $serve:path ; )+ } )+) => {
        pub(super) static FUNCTIONS: &[Function] = &[ $( $( Function {
            interface: $interface,
            name: $name,
            params: &[ $( $param ),* ],
            result: result!($( $result )?),
            serve: $serve,
        } ),+ ),+ ];
    };
}

functions! {
    "wasi:cli/environment" {
        "get-environment"() -> List(&Tuple(&[Text, Text])) => cli::environment;
        "get-arguments"() -> List(&Text) => cli::arguments;
        "initial-cwd"() -> Maybe(&Text) => cli::initial_cwd;
    }
    "wasi:cli/exit" {
        "exit"(Outcome(None, None)) => cli::exit;
        "exit-with-code"(U8) => cli::exit_with_code;
    }
    "wasi:cli/stdin" {
        "get-stdin"() -> Own => cli::stdin;
    }
    "wasi:cli/stdout" {
        "get-stdout"() -> Own => cli::stdout;
    }
    "wasi:cli/stderr" {
        "get-stderr"() -> Own => cli::stderr;
    }
    "wasi:cli/terminal-stdin" {
        "get-terminal-stdin"() -> Maybe(&Own) => cli::terminal_stdin;
    }
    "wasi:cli/terminal-stdout" {
        "get-terminal-stdout"() -> Maybe(&Own) => cli::terminal_stdout;
    }
    "wasi:cli/terminal-stderr" {
        "get-terminal-stderr"() -> Maybe(&Own) => cli::terminal_stderr;
    }
    "wasi:clocks/monotonic-clock" {
        "now"() -> U64 => clocks::now;
        "resolution"() -> U64 => clocks::resolution;
        "subscribe-instant"(U64) -> Own => clocks::subscribe_instant;
        "subscribe-duration"(U64) -> Own => clocks::subscribe_duration;
    }
    "wasi:clocks/wall-clock" {
        "now"() -> DATETIME => clocks::wall_now;
        "resolution"() -> DATETIME => clocks::wall_resolution;
    }
    "wasi:random/random" {
        "get-random-bytes"(U64) -> BYTES => random::bytes;
        "get-random-u64"() -> U64 => random::number;
    }
    "wasi:random/insecure" {
        "get-insecure-random-bytes"(U64) -> BYTES => random::bytes;
        "get-insecure-random-u64"() -> U64 => random::number;
    }
    "wasi:random/insecure-seed" {
        "insecure-seed"() -> Tuple(&[U64, U64]) => random::seed;
    }
    "wasi:io/error" {
        "[method]error.to-debug-string"(Borrow) -> Text => streams::to_debug_string;
    }
    "wasi:io/poll" {
        "[method]pollable.ready"(Borrow) -> Bool => poll::ready;
        "[method]pollable.block"(Borrow) => poll::block;
        "poll"(List(&Borrow)) -> List(&U32) => poll::poll;
    }
    "wasi:io/streams" {
        "[method]input-stream.read"(Borrow, U64) -> streamed(Some(&BYTES)) => streams::read;
        "[method]input-stream.blocking-read"(Borrow, U64) -> streamed(Some(&BYTES)) => streams::blocking_read;
        "[method]input-stream.skip"(Borrow, U64) -> streamed(Some(&U64)) => streams::skip;
        "[method]input-stream.blocking-skip"(Borrow, U64) -> streamed(Some(&U64)) => streams::blocking_skip;
        "[method]input-stream.subscribe"(Borrow) -> Own => streams::subscribe_input;
        "[method]output-stream.check-write"(Borrow) -> streamed(Some(&U64)) => streams::check_write;
        "[method]output-stream.write"(Borrow, BYTES) -> streamed(None) => streams::write;
        "[method]output-stream.blocking-write-and-flush"(Borrow, BYTES) -> streamed(None)
            => streams::blocking_write_and_flush;
        "[method]output-stream.flush"(Borrow) -> streamed(None) => streams::flush;
        "[method]output-stream.blocking-flush"(Borrow) -> streamed(None) => streams::flush;
        "[method]output-stream.subscribe"(Borrow) -> Own => streams::subscribe_output;
        "[method]output-stream.write-zeroes"(Borrow, U64) -> streamed(None) => streams::write_zeroes;
        "[method]output-stream.blocking-write-zeroes-and-flush"(Borrow, U64) -> streamed(None)
            => streams::blocking_write_zeroes_and_flush;
        "[method]output-stream.splice"(Borrow, Borrow, U64) -> streamed(Some(&U64)) => streams::splice;
        "[method]output-stream.blocking-splice"(Borrow, Borrow, U64) -> streamed(Some(&U64))
            => streams::blocking_splice;
    }
    "wasi:filesystem/preopens" {
        "get-directories"() -> List(&Tuple(&[Own, Text])) => filesystem::directories;
    }
    "wasi:filesystem/types" {
        "[method]descriptor.read-via-stream"(Borrow, U64) -> filed(Some(&Own))
            => filesystem::read_via_stream;
        "[method]descriptor.write-via-stream"(Borrow, U64) -> filed(Some(&Own))
            => filesystem::write_via_stream;
        "[method]descriptor.append-via-stream"(Borrow) -> filed(Some(&Own))
            => filesystem::append_via_stream;
        "[method]descriptor.advise"(Borrow, U64, U64, Enum(6)) -> filed(None) => filesystem::advise;
        "[method]descriptor.sync-data"(Borrow) -> filed(None) => filesystem::sync_data;
        "[method]descriptor.get-flags"(Borrow) -> filed(Some(&DESCRIPTOR_FLAGS)) => filesystem::get_flags;
        "[method]descriptor.get-type"(Borrow) -> filed(Some(&DESCRIPTOR_TYPE)) => filesystem::get_type;
        "[method]descriptor.set-size"(Borrow, U64) -> filed(None) => filesystem::set_size;
        "[method]descriptor.set-times"(Borrow, NEW_TIMESTAMP, NEW_TIMESTAMP) -> filed(None)
            => filesystem::set_times;
        "[method]descriptor.read"(Borrow, U64, U64) -> filed(Some(&Tuple(&[BYTES, Bool])))
            => filesystem::read;
        "[method]descriptor.write"(Borrow, BYTES, U64) -> filed(Some(&U64)) => filesystem::write;
        "[method]descriptor.read-directory"(Borrow) -> filed(Some(&Own))
            => filesystem::read_directory;
        "[method]descriptor.sync"(Borrow) -> filed(None) => filesystem::sync;
        "[method]descriptor.create-directory-at"(Borrow, Text) -> filed(None)
            => filesystem::create_directory_at;
        "[method]descriptor.stat"(Borrow) -> filed(Some(&STAT)) => filesystem::stat;
        "[method]descriptor.stat-at"(Borrow, PATH_FLAGS, Text) -> filed(Some(&STAT)) => filesystem::stat_at;
        "[method]descriptor.set-times-at"(Borrow, PATH_FLAGS, Text, NEW_TIMESTAMP, NEW_TIMESTAMP)
            -> filed(None) => filesystem::set_times_at;
        "[method]descriptor.link-at"(Borrow, PATH_FLAGS, Text, Borrow, Text) -> filed(None)
            => filesystem::link_at;
        "[method]descriptor.open-at"(Borrow, PATH_FLAGS, Text, OPEN_FLAGS, DESCRIPTOR_FLAGS)
            -> filed(Some(&Own)) => filesystem::open_at;
        "[method]descriptor.readlink-at"(Borrow, Text) -> filed(Some(&Text)) => filesystem::readlink_at;
        "[method]descriptor.remove-directory-at"(Borrow, Text) -> filed(None)
            => filesystem::remove_directory_at;
        "[method]descriptor.rename-at"(Borrow, Text, Borrow, Text) -> filed(None)
            => filesystem::rename_at;
        "[method]descriptor.symlink-at"(Borrow, Text, Text) -> filed(None) => filesystem::symlink_at;
        "[method]descriptor.unlink-file-at"(Borrow, Text) -> filed(None) => filesystem::unlink_file_at;
        "[method]descriptor.is-same-object"(Borrow, Borrow) -> Bool
            => filesystem::is_same_object;
        "[method]descriptor.metadata-hash"(Borrow) -> filed(Some(&HASH)) => filesystem::metadata_hash;
        "[method]descriptor.metadata-hash-at"(Borrow, PATH_FLAGS, Text) -> filed(Some(&HASH))
            => filesystem::metadata_hash_at;
        "[method]directory-entry-stream.read-directory-entry"(Borrow)
            -> filed(Some(&Maybe(&Tuple(&[DESCRIPTOR_TYPE, Text])))) => filesystem::read_directory_entry;
        "filesystem-error-code"(Borrow) -> Maybe(&ERROR_CODE) => filesystem::error_code;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_never_lie_in_memory_and_lists_of_them_are_bytes_or_handles() {
        for function in FUNCTIONS {
            let flat: usize = function.params.iter().map(|ty| ty.flat().len()).sum();
            assert!(flat <= 16, "{function:?}");
            for param in function.params {
                assert!(matches!(param, List(U8 | Borrow)) || !matches!(param, List(_)), "{function:?}");
            }
        }
    }

    #[test]
    fn names_differ() {
        let mut names: Vec<_> = FUNCTIONS.iter().map(|function| (function.interface, function.name)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), FUNCTIONS.len()), (71, 71));
    }
}
