//! Profiles of CPU time, in forms that tools read.

mod firefox;
mod pauses;
mod pprof;

pub use pauses::LongestPauses;

use heapwood::{CpuProfileData, StackProfile};
use std::io::{self, BufWriter, Error, Write};
use std::path::Path;
use std::time::SystemTime;

/// Form of a profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum ProfileFormat {
    /// A line for each stack, for flame graphs
    Collapsed,
    /// JSON for profiler.firefox.com, with the collector's pauses
    Firefox,
    /// The protocol buffer of `go tool pprof`
    Pprof,
}

impl ProfileFormat {
    /// The form that is given, or else that which the file's name says.
    pub fn of(given: Option<ProfileFormat>, file: Option<&Path>) -> ProfileFormat {
        let extension = file.and_then(Path::extension).and_then(|extension| extension.to_str());
        given.unwrap_or(match extension {
            Some("json") => ProfileFormat::Firefox,
            Some("pb" | "pprof") => ProfileFormat::Pprof,
            _ => ProfileFormat::Collapsed,
        })
    }

    /// Whether it is no text.
    pub fn is_binary(self) -> bool {
        self == ProfileFormat::Pprof
    }
}

/// Writes a profile of CPU time.
///
/// # Errors
/// The output's.
pub fn write(
    profile: &StackProfile,
    format: ProfileFormat,
    pauses: Option<&LongestPauses>,
    output: impl Write,
) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    let data = || profile.cpu_data().ok_or_else(|| Error::other("it is no profile of CPU time"));
    match format {
        ProfileFormat::Collapsed => profile.write(&mut output)?,
        ProfileFormat::Firefox => firefox::write(&data()?, pauses, &mut output)?,
        ProfileFormat::Pprof => pprof::write(&data()?, &mut output)?,
    }
    output.flush()
}

/// When a profile began, by the clock on the wall.
fn begun_at(data: &CpuProfileData) -> SystemTime {
    SystemTime::now().checked_sub(data.begun().elapsed()).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
#[path = "../../../tests/common/profile_forms.rs"]
mod forms;

#[cfg(test)]
mod tests {
    use super::forms::{Stacks, collapsed, firefox_stacks, pprof_stacks};
    use super::*;
    use heapwood::{Config, Engine, Inline, Instance, Module, Store};
    use std::time::Duration;

    /// A profile of two functions that call a third.
    fn profile() -> StackProfile {
        let text = r#"(module
            (func $spin (param $n i32) (loop $more (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
            (func $a (param $n i32) (call $spin (local.get $n)))
            (func $"a;b" (param $n i32) (call $spin (local.get $n)))
            (func $run (export "run") (param $n i32) (local $left i32)
                (local.set $left (i32.const 10))
                (loop $more
                    (call $a (local.get $n)) (call $"a;b" (local.get $n))
                    (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))"#;
        let mut config = Config::new();
        config.inline(Inline::Never);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
        store.profile_cpu(Duration::from_micros(100)).unwrap();
        run.call(&mut store, 10_000_000).unwrap();
        store.take_cpu_profile().unwrap()
    }

    #[test]
    fn all_forms_of_a_profile_say_the_same() {
        let profile = profile();
        let written = |format| {
            let mut bytes = Vec::new();
            write(&profile, format, None, &mut bytes).unwrap();
            bytes
        };
        let lines = collapsed(&String::from_utf8(written(ProfileFormat::Collapsed)).unwrap());
        assert!(lines.contains_key("run;a;spin") && lines.contains_key("run;a:b;spin"), "{lines:?}");
        let pprof = pprof_stacks(&written(ProfileFormat::Pprof));
        let json: serde_json::Value = serde_json::from_slice(&written(ProfileFormat::Firefox)).unwrap();
        let firefox = firefox_stacks(&json["threads"][0]);
        assert_eq!(firefox, pprof);
        // Which has whole microseconds, and another sign in names for what separates them.
        let rounded = pprof.iter().map(|(stack, ns)| (stack.replace("a;b", "a:b"), ns / 1000 * 1000));
        assert_eq!(rounded.filter(|(_, ns)| *ns > 0).collect::<Stacks>(), lines);
    }

    #[test]
    fn the_name_of_a_file_says_its_form_unless_another_is_given() {
        let of = |name: &str| ProfileFormat::of(None, Some(Path::new(name)));
        assert_eq!(of("p.json"), ProfileFormat::Firefox);
        assert_eq!([of("p.pb"), of("a.b/p.pprof")], [ProfileFormat::Pprof; 2]);
        for name in ["p", "p.txt", "p.JSON", "json", ".json", "p.json/p", "p.pb.gz", ""] {
            assert_eq!(of(name), ProfileFormat::Collapsed, "{name}");
        }
        assert_eq!(ProfileFormat::of(None, None), ProfileFormat::Collapsed);
        let given = Some(ProfileFormat::Pprof);
        assert_eq!(ProfileFormat::of(given, Some(Path::new("p.json"))), ProfileFormat::Pprof);
    }
}
