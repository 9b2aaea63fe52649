//! Engines that do not take an image, and why.

use super::corpus::SMALL;
use crate::load;
use heapwood_vm::*;

/// Whether an engine with the second configuration takes an image that one with the first made.
fn takes(made: &Config, loaded: &Config) -> std::result::Result<(), String> {
    let image = Engine::new(made).unwrap().precompile_module(&wat::parse_str(SMALL).unwrap()).unwrap();
    match load(&Engine::new(loaded).unwrap(), &image) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::Precompiled(_)) => Err(error.to_string()),
        Err(error) => panic!("{error}"),
    }
}

fn with(set: impl FnOnce(&mut Config) -> &mut Config) -> Config {
    let mut config = Config::new();
    set(&mut config);
    config
}

/// A setting on which code depends, and how it is set.
type Setting = (&'static str, fn(&mut Config, bool) -> &mut Config);

const SETTINGS: [Setting; 7] = [
    ("debug_checks", |config, on| config.debug_checks(on)),
    ("few_registers", |config, on| config.few_registers(on)),
    ("memory64_guard", |config, on| config.memory64_guard(on)),
    ("memory32_guard", |config, on| config.memory32_guard(on)),
    ("consume_fuel", |config, on| config.consume_fuel(on)),
    ("drop_last_slot", |config, on| config.drop_last_slot(on)),
    ("skip_zero_extension", |config, on| config.skip_zero_extension(on)),
];

/// What a setting is where nobody says anything.
fn by_default(name: &str) -> bool {
    name.ends_with("_guard")
}

#[test]
fn each_setting_that_code_depends_on_is_named() {
    for (index, (name, set)) in SETTINGS.into_iter().enumerate() {
        for (made, loaded) in [(false, true), (true, false)] {
            let why = takes(&with(|config| set(config, made)), &with(|config| set(config, loaded))).unwrap_err();
            let words = format!("it was made with Config::{name}({made}), and this engine has {loaded}");
            assert!(why.contains(&words), "{why}");
        }
        for (other, (_, set_other)) in SETTINGS.into_iter().enumerate() {
            // Two that are not as in the image: one of them is named.
            let both = with(|config| {
                set(config, !by_default(name));
                set_other(config, !by_default(SETTINGS[other].0))
            });
            assert_eq!(takes(&both, &both), Ok(()), "{index} and {other}");
            assert!(takes(&both, &Config::new()).is_err(), "{index} and {other}");
        }
    }
}

#[test]
fn what_is_inlined_is_named() {
    let all = [Inline::Never, Inline::Small, Inline::Always];
    for (made, loaded) in all.into_iter().flat_map(|made| all.map(|loaded| (made, loaded))) {
        match takes(&with(|config| config.inline(made)), &with(|config| config.inline(loaded))) {
            Ok(()) => assert_eq!(made, loaded),
            Err(why) => {
                let words = format!("Config::inline(Inline::{made:?}), and this engine has Inline::{loaded:?}");
                assert!(made != loaded && why.contains(&words), "{why}");
            }
        }
    }
}

#[test]
fn what_code_does_not_depend_on_is_free() {
    let others: [fn(&mut Config) -> &mut Config; 6] = [
        |config| config.gc_heap_max(8 << 20),
        |config| config.gc_stress(1).gc_verify(true),
        |config| config.gc_none(true),
        |config| config.max_stack(1 << 20),
        |config| config.max_compile_memory(1),
        |config| config.compile_threads(1),
    ];
    for set in others {
        assert_eq!(takes(&Config::new(), &with(set)), Ok(()));
    }
}

#[test]
fn a_processor_has_what_the_code_uses() {
    let levels =
        [(false, false), (true, false), (true, true)].map(|(avx, avx2)| with(|config| config.cpu_features(avx, avx2)));
    let here = [true, std::is_x86_feature_detected!("avx"), std::is_x86_feature_detected!("avx2")];
    for (made, first) in levels.iter().enumerate().filter(|(level, _)| here[*level]) {
        for (loaded, second) in levels.iter().enumerate().filter(|(level, _)| here[*level]) {
            match takes(first, second) {
                Ok(()) => assert!(made <= loaded),
                Err(why) => assert!(made > loaded && why.contains("for a processor with avx"), "{why}"),
            }
        }
    }
}

#[test]
fn features_of_the_image_are_on() {
    for feature in FEATURES.iter() {
        let mut without = Features::all();
        without.set(feature.name, false).unwrap();
        let (all, less) = (with(|config| config.features(Features::all())), with(|config| config.features(without)));
        let image = |config: &Config| Engine::new(config).unwrap().precompile_module(b"\0asm\x01\0\0\0").unwrap();
        let why = load(&Engine::new(&less).unwrap(), &image(&all)).unwrap_err().to_string();
        assert!(why.contains(&format!("the feature {}, which is off", feature.name)), "{why}");
        assert!(load(&Engine::new(&all).unwrap(), &image(&less)).is_ok(), "{}", feature.name);
    }
}

/// The types of an image count like those of a module that is compiled, and are released with it.
#[test]
fn types_of_images_are_counted() {
    let image = Engine::default().precompile_module(&wat::parse_str(SMALL).unwrap()).unwrap();
    let engine = Engine::default();
    let module = load(&engine, &image).unwrap();
    let (types, again) = (engine.live_types(), load(&engine, &image).unwrap());
    assert!(types > 3);
    assert_eq!(engine.live_types(), types);
    drop((module, again));
    assert_eq!(engine.live_types(), 0);
    for quota in 0..types as u32 {
        let engine = Engine::new(&with(|config| config.max_types(quota))).unwrap();
        let error = load(&engine, &image).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
        assert_eq!(engine.live_types(), 0);
    }
}
