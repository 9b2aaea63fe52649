//! A vault: a module with a memory for secrets that the host has made for it alone. Entries are sealed with a key that
//! comes from a passphrase; what is sealed lies in a memory that anybody may read, and plain text only ever in a
//! scratch memory, which is zeroed after each use. Nothing of it is in other memories, in snapshots of the heap, or in
//! checkpoints.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use heapwood::{Caller, Engine, Error, Instance, Linker, Memory, MemoryType, Module, Result, Secrecy, Store};
use std::path::PathBuf;

/// An entry has 256 bytes of the public memory: the length of what is sealed, and then that.
const VAULT: &str = r#"(module $vault
    (import "vault" "secret" (memory $secret 1 1))
    (import "vault" "scratch" (memory $scratch 1 1))
    (import "crypto" "derive" (func $derive (param $len i32)))
    (import "crypto" "seal" (func $seal (param $len i32) (param $to i32) (param $entry i32) (result i32)))
    (import "crypto" "open" (func $open (param $from i32) (param $len i32) (param $entry i32) (result i32)))
    (memory $public (export "public") 1)
    (global $entries (mut i32) (i32.const 0))
    (func $is_open (export "is_open") (result i32) (i32.load $secret (i32.const 32)))
    (func (export "unlock") (param $len i32)
      (call $derive (local.get $len))
      (i32.store $secret (i32.const 32) (i32.const 1)))
    (func (export "lock") (memory.fill $secret (i32.const 0) (i32.const 0) (i32.const 64)))
    (func $at (param $entry i32) (result i32)
      (if (i32.or (i32.eqz (call $is_open)) (i32.ge_u (local.get $entry) (i32.const 200))) (then (unreachable)))
      (i32.mul (local.get $entry) (i32.const 256)))
    ;; Seals what lies at the beginning of the scratch memory; the number of the entry.
    (func (export "put") (param $len i32) (result i32) (local $at i32)
      (local.set $at (call $at (global.get $entries)))
      (i32.store $public (local.get $at)
        (call $seal (local.get $len) (i32.add (local.get $at) (i32.const 4)) (global.get $entries)))
      (global.set $entries (i32.add (global.get $entries) (i32.const 1)))
      (i32.sub (global.get $entries) (i32.const 1)))
    ;; Opens an entry into the scratch memory; its length.
    (func (export "get") (param $entry i32) (result i32) (local $at i32)
      (local.set $at (call $at (local.get $entry)))
      (call $open (i32.add (local.get $at) (i32.const 4)) (i32.load $public (local.get $at)) (local.get $entry))))"#;

/// A module that sees what is public, and keeps copies of it in its heap and in a memory of its own.
const READER: &str = r#"(module $reader
    (type $bytes (array (mut i8)))
    (import "vault" "public" (memory $public 1))
    (import "vault" "is_open" (func (result i32)))
    (memory $own (export "own") 1)
    (global $copy (mut (ref null $bytes)) (ref.null $bytes))
    (func (export "copy") (param $len i32) (local $i i32)
      (memory.copy $own $public (i32.const 0) (i32.const 0) (local.get $len))
      (global.set $copy (array.new_default $bytes (local.get $len)))
      (loop $l
        (array.set $bytes (global.get $copy) (local.get $i) (i32.load8_u $public (local.get $i)))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $len))))))"#;

/// A module that would like to see more.
const THIEF: &str = r#"(module (import "vault" "secret" (memory 1)))"#;

const PASSPHRASE: &[u8] = b"correct horse battery staple";
const ENTRIES: [&str; 3] = ["the combination is 12-34-56", "account 4711, code 0815", "a recipe for pickled plums"];

/// What the host knows of the store.
#[derive(Default)]
struct Host {
    secret: Option<Memory>,
    scratch: Option<Memory>,
    public: Option<Memory>,
}

fn given(memory: Option<Memory>) -> Result<Memory> {
    memory.ok_or_else(|| Error::msg("this store has no vault that can be opened"))
}

/// The key of the secret memory, and what is done with it.
fn cipher(caller: &Caller<'_, Host>) -> Result<ChaCha20Poly1305> {
    let mut key = [0; 32];
    given(caller.data().secret)?.read(caller, 0, &mut key)?;
    let cipher = ChaCha20Poly1305::new(&key.into());
    key.fill(0);
    Ok(cipher)
}

/// Each entry is sealed once under a key.
fn nonce(entry: i32) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[..4].copy_from_slice(&entry.to_le_bytes());
    nonce
}

fn derive(mut caller: Caller<'_, Host>, len: i32) -> Result<()> {
    let (secret, scratch) = (given(caller.data().secret)?, given(caller.data().scratch)?);
    let mut passphrase = vec![0; usize::try_from(len)?];
    scratch.read(&caller, 0, &mut passphrase)?;
    // Little memory and time, since this is an example.
    let params = Params::new(64, 2, 1, Some(32)).map_err(Error::new)?;
    let mut key = [0; 32];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(&passphrase, b"a salt for each vault", &mut key).map_err(Error::new)?;
    secret.write(&mut caller, 0, &key)?;
    key.fill(0);
    passphrase.fill(0);
    Ok(())
}

fn seal(mut caller: Caller<'_, Host>, len: i32, to: i32, entry: i32) -> Result<i32> {
    let mut plain = vec![0; usize::try_from(len)?];
    given(caller.data().scratch)?.read(&caller, 0, &mut plain)?;
    let sealed = cipher(&caller)?.encrypt(&nonce(entry), &plain[..]).map_err(Error::new)?;
    plain.fill(0);
    given(caller.data().public)?.write(&mut caller, usize::try_from(to)?, &sealed)?;
    Ok(i32::try_from(sealed.len())?)
}

fn open(mut caller: Caller<'_, Host>, from: i32, len: i32, entry: i32) -> Result<i32> {
    let mut sealed = vec![0; usize::try_from(len)?];
    given(caller.data().public)?.read(&caller, usize::try_from(from)?, &mut sealed)?;
    let mut plain = cipher(&caller)?.decrypt(&nonce(entry), &sealed[..]).map_err(Error::new)?;
    given(caller.data().scratch)?.write(&mut caller, 0, &plain)?;
    let plain_len = i32::try_from(plain.len())?;
    plain.fill(0);
    Ok(plain_len)
}

fn crypto(engine: &Engine) -> Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("crypto", "derive", derive)?;
    linker.func_wrap("crypto", "seal", seal)?;
    linker.func_wrap("crypto", "open", open)?;
    Ok(linker)
}

/// A vault in a store.
struct Vault {
    store: Store<Host>,
    instance: Instance,
    scratch: Memory,
}

impl Vault {
    /// Calls the vault with `input` in the scratch memory; what it leaves there, of the length that it answers.
    fn with_scratch(&mut self, name: &str, input: &[u8], argument: i32) -> Result<Vec<u8>> {
        self.scratch.write(&mut self.store, 0, input)?;
        let result = match name {
            "unlock" => {
                let unlock = self.instance.get_typed_func::<i32, ()>(&mut self.store, name)?;
                unlock.call(&mut self.store, argument).map(|()| 0)
            }
            name => {
                let func = self.instance.get_typed_func::<i32, i32>(&mut self.store, name)?;
                func.call(&mut self.store, argument)
            }
        };
        let output = result.and_then(|len| {
            let mut output = vec![0; if name == "get" { usize::try_from(len)? } else { 0 }];
            self.scratch.read(&self.store, 0, &mut output)?;
            Ok(output)
        });
        // Whatever has happened.
        self.scratch.zeroize(&mut self.store)?;
        output
    }

    fn unlock(&mut self, passphrase: &[u8]) -> Result<()> {
        self.with_scratch("unlock", passphrase, i32::try_from(passphrase.len())?).map(drop)
    }
}

/// How many of the needles are somewhere in the hay.
fn found(hay: &[u8], needles: &[&[u8]]) -> usize {
    needles.iter().filter(|needle| hay.windows(needle.len()).any(|window| window == **needle)).count()
}

/// A file that is removed at the end.
struct TempFile(PathBuf);

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, Host::default());
    let page = MemoryType::new(1, Some(1));
    let (secret, scratch) = (Memory::new(&mut store, page)?, Memory::new(&mut store, page)?);
    // Checkpoints leave their bytes out.
    [secret, scratch].into_iter().try_for_each(|memory| memory.set_secrecy(&mut store, Secrecy::LeftOut))?;
    let mut linker = crypto(&engine)?;
    linker.define("vault", "secret", secret)?.define("vault", "scratch", scratch)?;
    let vault = Module::new(&engine, VAULT)?;
    let instance = linker.instantiate(&mut store, &vault)?;
    let public = instance.get_memory(&mut store, "public").ok_or("no memory")?;
    *store.data_mut() = Host { secret: Some(secret), scratch: Some(scratch), public: Some(public) };

    // Others get what the vault exports, and nothing else.
    let mut others: Linker<Host> = Linker::new(&engine);
    others.instance(&mut store, "vault", instance)?;
    let reader = Module::new(&engine, READER)?;
    let readers = others.instantiate(&mut store, &reader)?;
    assert!(others.instantiate(&mut store, &Module::new(&engine, THIEF)?).is_err(), "nobody else gets the memory");

    let mut vault_in = Vault { store, instance, scratch };
    vault_in.unlock(PASSPHRASE)?;
    for text in ENTRIES {
        vault_in.with_scratch("put", text.as_bytes(), i32::try_from(text.len())?)?;
    }
    assert_eq!(vault_in.with_scratch("get", &[], 1)?, ENTRIES[1].as_bytes());
    readers.get_typed_func::<i32, ()>(&mut vault_in.store, "copy")?.call(&mut vault_in.store, 1024)?;

    // The key is in the secret memory, and that is where it stays; as is what an entry says that is in use.
    let mut key = [0; 32];
    secret.read(&vault_in.store, 0, &mut key)?;
    scratch.write(&mut vault_in.store, 0, ENTRIES[0].as_bytes())?;
    let mut needles: Vec<&[u8]> = vec![&key, PASSPHRASE];
    needles.extend(ENTRIES.iter().map(|entry| entry.as_bytes()));
    let own = readers.get_memory(&mut vault_in.store, "own").ok_or("no memory")?;
    assert_eq!(found(public.data(&vault_in.store), &needles) + found(own.data(&vault_in.store), &needles), 0);
    assert_eq!((found(secret.data(&vault_in.store), &needles), found(scratch.data(&vault_in.store), &needles)), (1, 1));
    let mut snapshot = Vec::new();
    vault_in.store.heap_snapshot(&mut snapshot)?;
    assert_eq!(found(&snapshot, &needles), 0);
    let checkpoint = vault_in.store.checkpoint()?;
    let file = TempFile(std::env::temp_dir().join(format!("heapwood-vault-{}", std::process::id())));
    checkpoint.save(&file.0)?;
    let saved = std::fs::read(&file.0)?;
    assert_eq!(found(&saved, &needles), 0);
    let sealed = &public.data(&vault_in.store)[4..40];
    assert!(found(&saved, &[sealed]) == 1 && found(own.data(&vault_in.store), &[sealed]) == 1, "they are complete");
    let mut fork = checkpoint.fork(Host::default())?;
    let forked = fork.instances().next().ok_or("nothing was saved")?;
    assert_eq!(forked.get_typed_func::<(), i32>(&mut fork, "is_open")?.call(&mut fork, ())?, 0, "a fork has no key");

    // Whoever comes back to a checkpoint has to know the passphrase again.
    vault_in.store.rollback(&checkpoint)?;
    assert!(vault_in.with_scratch("get", &[], 2).is_err());
    vault_in.unlock(b"incorrect horse")?;
    assert!(vault_in.with_scratch("get", &[], 2).is_err());
    vault_in.unlock(PASSPHRASE)?;
    assert_eq!(vault_in.with_scratch("get", &[], 2)?, ENTRIES[2].as_bytes());
    assert_eq!(found(scratch.data(&vault_in.store), &needles), 0, "scratch is zeroed");
    let kib = saved.len() >> 10;
    Ok(format!("{} entries; {} needles are nowhere else, nor in {kib} KiB of a file", ENTRIES.len(), needles.len()))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok vault {}", run()?);
    Ok(())
}
