//! What is being compiled, on a terminal, for who has waited for a second.

use super::output;
use heapwood::Engine;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{Builder, scope};
use std::time::Duration;

/// How long nothing is shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks at how far it is.
const TICK: Duration = Duration::from_millis(100);
/// A module of fewer bytes is never worth a thread that watches.
const WATCHED_BYTES: usize = 256 << 10;

/// Compiles a module of so many bytes by `compile`; if that takes long and the standard error is a terminal, a line
/// there says how far it is, and goes when it is done.
pub fn watched<T>(engine: &Engine, name: &str, module_bytes: usize, compile: impl FnOnce() -> T) -> T {
    if module_bytes < WATCHED_BYTES || !output::is_terminal() {
        return compile();
    }
    watched_on(ProgressDrawTarget::stderr, PATIENCE, engine, name, compile)
}

fn watched_on<T>(
    target: impl FnOnce() -> ProgressDrawTarget + Send,
    patience: Duration,
    engine: &Engine,
    name: &str,
    compile: impl FnOnce() -> T,
) -> T {
    let before = engine.compile_progress();
    scope(|threads| {
        let (done, is_done) = channel::<()>();
        let watch = move || {
            if is_over(&is_done, patience) {
                return;
            }
            let so_far = || {
                let now = engine.compile_progress();
                (now.done_bytes - before.done_bytes, now.total_bytes - before.total_bytes)
            };
            let bar = ProgressBar::with_draw_target(Some(so_far().1), target())
                .with_style(style())
                .with_message(name.to_owned())
                .with_elapsed(patience);
            loop {
                let (done_bytes, total_bytes) = so_far();
                bar.set_length(total_bytes);
                bar.set_position(done_bytes);
                bar.tick();
                if is_over(&is_done, TICK) {
                    break;
                }
            }
            bar.finish_and_clear();
        };
        // Without the thread nothing is shown.
        drop(Builder::new().spawn_scoped(threads, watch));
        let compiled = compile();
        drop(done);
        compiled
    })
}

/// Whether it is over, or so within that time.
fn is_over(is_done: &Receiver<()>, within: Duration) -> bool {
    is_done.recv_timeout(within) != Err(RecvTimeoutError::Timeout)
}

fn style() -> ProgressStyle {
    let text = "{spinner} compiling {msg}: {percent} % of {total_bytes} of code in {elapsed}, {eta} left";
    ProgressStyle::with_template(text).expect("a template")
}

#[cfg(test)]
mod tests {
    use super::*;
    use heapwood::Module;
    use indicatif::TermLike;
    use std::io;
    use std::sync::{Arc, Condvar, Mutex};

    /// A terminal that keeps what is written, and says so.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<(Mutex<String>, Condvar)>);

    impl Screen {
        fn add(&self, text: &str) -> io::Result<()> {
            self.0.0.lock().unwrap().push_str(text);
            self.0.1.notify_all();
            Ok(())
        }

        /// What makes it the target of a progress bar.
        fn target(&self) -> impl FnOnce() -> ProgressDrawTarget + Send + use<> {
            let screen = self.clone();
            move || ProgressDrawTarget::term_like(Box::new(screen))
        }

        /// What was written, once `text` was.
        fn once_it_says(&self, text: &str) -> String {
            let shown = self.0.0.lock().unwrap();
            self.0.1.wait_while(shown, |shown| !shown.contains(text)).unwrap().clone()
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            120
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.add(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.add(text)
        }
        fn clear_line(&self) -> io::Result<()> {
            self.add("[cleared]")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_waits_sees_how_far_it_is_and_nothing_is_left_of_it() {
        let (screen, engine) = (Screen::default(), Engine::default());
        watched_on(screen.target(), Duration::ZERO, &engine, "app.wasm", || {
            Module::new(&engine, wat::parse_str("(module (func nop nop) (func nop))").unwrap()).unwrap();
            screen.once_it_says("compiling app.wasm: 100 % of 7 B of code");
        });
        assert!(screen.once_it_says("").ends_with("[cleared]"), "{screen:?}");
    }

    #[test]
    fn who_does_not_wait_sees_nothing() {
        let (screen, engine) = (Screen::default(), Engine::default());
        watched_on(screen.target(), Duration::MAX, &engine, "app.wasm", || ());
        assert_eq!(screen.once_it_says(""), "");
    }
}
