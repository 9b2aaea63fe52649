//! Tables: what the compiler tells the runtime about the code besides its bytes, while positions are not final yet.

use crate::abi::{CountedCall, InlinedBody, LoopHead, Relocation, RelocationTarget, SafePoint, TrapSite};
use crate::asm::{Assembler, CodePosition, Label, Section, Starts};
use crate::budget::list_bytes;
use heapwood_gc_abi::Narrow;

/// Relocations, safe points, traps, landing pads, inlined bodies and the source map of the function that is being
/// compiled.
#[derive(Default)]
pub(crate) struct Tables {
    relocations: Vec<(CodePosition, RelocationTarget)>,
    safe_points: Vec<PendingSafePoint>,
    traps: Vec<PendingTrap>,
    trap_labels: Vec<TrapLabel>,
    pads: Vec<Pad>,
    inlined: Vec<InlinedBody>,
    counted: Vec<CountedCall>,
    /// Heads of loops, each with the position of its poll's return address.
    loop_heads: Vec<(CodePosition, LoopHead)>,
    loop_heads_bytes: usize,
    source_map: Vec<(CodePosition, u32)>,
}

/// A safe point whose position is not final yet.
struct PendingSafePoint {
    at: CodePosition,
    handler: Option<u32>,
    point: SafePoint,
}

/// A trap site whose position is not final yet.
struct PendingTrap {
    at: CodePosition,
    site: TrapSite,
}

/// A `ud2` of the cold section, shared by all instructions that trap for one reason at one place of the module.
struct TrapLabel {
    site: TrapSite,
    label: Label,
}

/// A landing pad: where it is, and whether any call can reach it.
struct Pad {
    label: Label,
    at: Option<CodePosition>,
    used: bool,
    /// Whether an inner pad passes exceptions on to it.
    jumped_to: bool,
}

/// The finished tables. All but the relocations and the inlined bodies ascend.
pub(crate) struct Finished {
    pub(crate) relocations: Vec<Relocation>,
    pub(crate) safe_points: Vec<SafePoint>,
    pub(crate) traps: Vec<TrapSite>,
    pub(crate) inlined: Vec<InlinedBody>,
    pub(crate) counted: Vec<CountedCall>,
    pub(crate) loop_heads: Vec<LoopHead>,
    pub(crate) source_map: Vec<(u32, u32)>,
}

impl Tables {
    // ---- relocations and the source map

    /// Records a relocation of the 4 bytes just written.
    pub(crate) fn relocate(&mut self, asm: &Assembler, target: RelocationTarget) {
        self.relocations.push((asm.position().minus(4), target));
    }

    /// Records that the code written next belongs to the operator at this offset in the module's bytes.
    pub(crate) fn note_source(&mut self, asm: &Assembler, wasm_offset: u32) {
        self.source_map.push((asm.position(), wasm_offset));
    }

    // ---- traps

    /// Records that the instruction written next may fault, and the trap that this means.
    pub(crate) fn trap_site(&mut self, asm: &Assembler, site: TrapSite) {
        self.traps.push(PendingTrap { at: asm.position(), site });
    }

    /// A label at which the guest traps; its `ud2` is placed behind all other code.
    pub(crate) fn trap_label(&mut self, asm: &mut Assembler, site: TrapSite) -> Label {
        let label = asm.new_label();
        self.trap_labels.push(TrapLabel { site, label });
        label
    }

    /// Writes the `ud2`s of the labels.
    pub(crate) fn place_traps(&mut self, asm: &mut Assembler) {
        asm.switch(Section::Cold);
        for TrapLabel { site, label } in self.trap_labels.drain(..) {
            asm.bind(label);
            self.traps.push(PendingTrap { at: asm.position(), site });
            asm.ud2();
        }
        asm.switch(Section::Hot);
    }

    // ---- inlined bodies

    /// Records that a body is compiled into the function; its number, from 1.
    pub(crate) fn open_body(&mut self, body: InlinedBody) -> u16 {
        self.inlined.push(body);
        self.inlined.len().narrow()
    }

    /// An inlined body by its number.
    pub(crate) fn body(&self, number: u16) -> InlinedBody {
        self.inlined[usize::from(number) - 1]
    }

    /// Records a call of which the runtime is told what it calls; its number, from 0.
    pub(crate) fn count_call(&mut self, call: CountedCall) -> u32 {
        self.counted.push(call);
        (self.counted.len() - 1).narrow()
    }

    /// Bytes of the heads of loops that are recorded.
    pub(crate) fn loop_heads_bytes(&self) -> usize {
        self.loop_heads_bytes
    }

    /// Records the head of a loop whose poll's call is the last safe point so far.
    pub(crate) fn note_loop_head(&mut self, head: LoopHead) {
        self.loop_heads_bytes += head.bytes();
        let poll = self.safe_points.last().expect("the loop polls");
        self.loop_heads.push((poll.at, head));
    }

    // ---- safe points

    /// Records a safe point at the return address just reached. Exceptions that arrive there go to the pad `handler`.
    pub(crate) fn safe_point(&mut self, asm: &Assembler, handler: Option<u32>, point: SafePoint) {
        if let Some(pad) = handler {
            self.pads[pad as usize].used = true;
        }
        self.safe_points.push(PendingSafePoint { at: asm.position(), handler, point });
    }

    /// Number of safe points so far.
    pub(crate) fn safe_points(&self) -> usize {
        self.safe_points.len()
    }

    // ---- landing pads

    /// A new landing pad.
    pub(crate) fn new_pad(&mut self, asm: &mut Assembler) -> u32 {
        self.pads.push(Pad { label: asm.new_label(), at: None, used: false, jumped_to: false });
        (self.pads.len() - 1).narrow()
    }

    /// Whether the safe point of a call names the pad, or another pad jumps to it.
    pub(crate) fn pad_is_used(&self, pad: u32) -> bool {
        self.pads[pad as usize].used
    }

    /// Whether another pad jumps to it.
    pub(crate) fn pad_is_jumped_to(&self, pad: u32) -> bool {
        self.pads[pad as usize].jumped_to
    }

    /// The pad's code begins here.
    pub(crate) fn place_pad(&mut self, asm: &mut Assembler, pad: u32) {
        let pad = &mut self.pads[pad as usize];
        pad.at = Some(asm.position());
        asm.bind(pad.label);
    }

    /// Jumps from a pad to another one.
    pub(crate) fn jump_to_pad(&mut self, asm: &mut Assembler, pad: u32) {
        let pad = &mut self.pads[pad as usize];
        (pad.used, pad.jumped_to) = (true, true);
        asm.jmp(pad.label);
    }

    // ---- the end

    /// Resolves positions and empties the lists.
    pub(crate) fn finish(&mut self, starts: Starts) -> Finished {
        debug_assert!(self.trap_labels.is_empty(), "traps are placed before positions are final");
        let place = |at: CodePosition| at.resolve(starts);
        let pads = &self.pads;
        let resolved = |pending: PendingSafePoint| {
            let pad = pending.handler.and_then(|pad| pads[pad as usize].at);
            let handler = pad.map_or(SafePoint::NO_HANDLER, place);
            SafePoint { pc: place(pending.at), handler, ..pending.point }
        };
        let mut safe_points: Vec<SafePoint> = self.safe_points.drain(..).map(resolved).collect();
        safe_points.sort_by_key(|point| point.pc);
        let site = |PendingTrap { at, site }| TrapSite { pc: place(at), ..site };
        let mut traps: Vec<TrapSite> = self.traps.drain(..).map(site).collect();
        traps.sort_by_key(|trap| trap.pc);
        let mut source_map: Vec<(u32, u32)> = self.source_map.drain(..).map(|s| (place(s.0), s.1)).collect();
        // Of operators that begin at the same place, the last one has the code: it may lie in an inlined body.
        source_map.sort_by_key(|(pc, _)| *pc);
        let relocations = self.relocations.drain(..).map(|r| Relocation { offset: place(r.0), target: r.1 }).collect();
        self.pads.clear();
        let inlined = self.inlined.drain(..).collect();
        let counted = std::mem::take(&mut self.counted);
        self.loop_heads_bytes = 0;
        let head = |(at, head)| LoopHead { pc: place(at), ..head };
        let mut loop_heads: Vec<LoopHead> = self.loop_heads.drain(..).map(head).collect();
        loop_heads.sort_by_key(|head| head.pc);
        Finished { relocations, safe_points, traps, inlined, counted, loop_heads, source_map }
    }

    /// Bytes of the lists.
    pub(crate) fn bytes(&self) -> usize {
        list_bytes(&self.relocations)
            + list_bytes(&self.safe_points)
            + list_bytes(&self.traps)
            + list_bytes(&self.trap_labels)
            + list_bytes(&self.pads)
            + list_bytes(&self.inlined)
            + list_bytes(&self.counted)
            + self.loop_heads_bytes
            + list_bytes(&self.source_map)
    }
}
