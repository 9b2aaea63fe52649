;;! loops
;; Vectors: loads as operands of the instruction where it allows them.
(module
  (memory 1)
  (func (export "run") (param $n i32) (result v128) (local $sum v128)
    (loop $again
      (local.set $sum (f32x4.add (local.get $sum) (f32x4.mul (v128.load (local.get $n)) (v128.load offset=16 (local.get $n)))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 32)))))
    (local.get $sum)))
;; Code of "run", its loops of 37 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     vmovups xmm0, [r13+rbx]                     ; may trap: MemoryOutOfBounds
;;     vmovups xmm1, [r13+rbx+0x10]                ; may trap: MemoryOutOfBounds
;;     vmulps xmm0, xmm0, xmm1
;;     vaddps xmm5, xmm5, xmm0
;;     sub ebx, 0x20
;;     jne L1
