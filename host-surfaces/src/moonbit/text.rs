//! The program's input, arguments and environment, and its clocks and numbers at random.

use super::{MoonBit, Result, Value};
use heapwood_wasi::{ClockId, WasiCtx};

/// Bytes of the input that are read at a time.
const INPUT_BYTES: usize = 16 << 10;

/// The argument for text of the system: what is no UTF-8 is U+FFFD.
pub(super) fn string(bytes: &[u8]) -> Value {
    Value::string(&String::from_utf8_lossy(bytes))
}

impl MoonBit {
    /// Reads more of the input; false at its end.
    fn fill_input(&mut self, wasi: &mut WasiCtx) -> Result<bool> {
        // What was asked for is seen before the answer is waited for.
        self.write_output(wasi)?;
        let mut buffer = vec![0; INPUT_BYTES];
        let count = wasi.read_some(0, &mut buffer)?;
        self.input.extend(&buffer[..count]);
        Ok(count > 0)
    }

    /// `read_char`: the next scalar value of the input, which is UTF-8; -1 at its end, and where it is malformed.
    ///
    /// # Errors
    /// The input refuses, or the program is interrupted while this waits for it.
    pub fn read_char(&mut self, wasi: &mut WasiCtx) -> Result<i32> {
        if self.input.is_empty() && !self.fill_input(wasi)? {
            return Ok(-1);
        }
        let len = match self.input[0] {
            0..0x80 => 1,
            0xc2..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf5 => 4,
            _ => {
                self.input.pop_front();
                return Ok(-1);
            }
        };
        while self.input.len() < len && self.fill_input(wasi)? {}
        let len = len.min(self.input.len());
        let bytes: Vec<u8> = self.input.range(..len).copied().collect();
        match std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next()) {
            Some(scalar) => {
                self.input.drain(..len);
                Ok(u32::from(scalar).cast_signed())
            }
            None => {
                self.input.pop_front();
                Ok(-1)
            }
        }
    }

    /// `read_bytes_from_stdin`: all that is left of the input.
    ///
    /// # Errors
    /// As [`MoonBit::read_char`].
    pub fn read_input(&mut self, wasi: &mut WasiCtx) -> Result<Value> {
        while self.fill_input(wasi)? {}
        Ok(Value::bytes(self.input.drain(..).collect()))
    }

    /// `args_get`: the module's name, then the arguments.
    pub fn args(wasi: &WasiCtx) -> Value {
        Value::array(wasi.args().iter().map(|arg| string(arg)).collect())
    }

    fn env(&self, wasi: &WasiCtx) -> Vec<(Vec<u8>, Vec<u8>)> {
        let granted = || wasi.env().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        self.env.clone().unwrap_or_else(granted)
    }

    /// `get_env_vars`: names and values in turns.
    pub fn env_vars(&self, wasi: &WasiCtx) -> Value {
        let flat = self.env(wasi).into_iter().flat_map(|(name, value)| [string(&name), string(&value)]);
        Value::array(flat.collect())
    }

    /// `get_env_var`: the value of a variable; none if it is not set.
    ///
    /// # Errors
    /// `name` is no string.
    pub fn env_var(&self, wasi: &WasiCtx, name: &Value) -> Result<Option<Value>> {
        let name = name.to_bytes("get_env_var")?;
        Ok(self.env(wasi).into_iter().find(|(other, _)| *other == name).map(|(_, value)| string(&value)))
    }

    /// `set_env_var`, `unset_env_var`: of the program's own copy of the environment.
    ///
    /// # Errors
    /// Not strings.
    pub fn set_env_var(&mut self, wasi: &WasiCtx, name: &Value, value: Option<&Value>) -> Result<()> {
        let name = name.to_bytes("set_env_var")?;
        let value = value.map(|value| value.to_bytes("set_env_var")).transpose()?;
        let mut env = self.env(wasi);
        env.retain(|(other, _)| *other != name);
        env.extend(value.map(|value| (name, value)));
        self.env = Some(env);
        Ok(())
    }

    /// `__moonbit_time_unstable.now`: an array of the milliseconds since 1970.
    ///
    /// # Errors
    /// There is no such clock.
    pub fn now(wasi: &mut WasiCtx) -> Result<Value> {
        let ms = wasi.now_ns(ClockId::Realtime)? / 1_000_000;
        Ok(Value::array(vec![Value::number(ms as f64)]))
    }

    /// `instant_now`: a point in time, for [`MoonBit::elapsed_secs`].
    ///
    /// # Errors
    /// There is no such clock.
    pub fn instant(wasi: &mut WasiCtx) -> Result<Value> {
        Ok(Value::instant(wasi.now_ns(ClockId::Monotonic)?))
    }

    /// `instant_elapsed_as_secs_f64`.
    ///
    /// # Errors
    /// No instant; there is no such clock.
    pub fn elapsed_secs(wasi: &mut WasiCtx, since: &Value) -> Result<f64> {
        let start_ns = since.instant_ns("instant_elapsed_as_secs_f64")?;
        Ok(wasi.now_ns(ClockId::Monotonic)?.saturating_sub(start_ns) as f64 / 1e9)
    }
}
