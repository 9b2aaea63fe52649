;;! loops fuel
;; A loop that pays for each turn, and traps without fuel.
(module
  (memory 1)
  (func (export "run") (param $n i32) (result i64) (local $sum i64)
    (loop $again
      (local.set $sum (i64.add (local.get $sum) (i64.load offset=8 (local.get $n))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 8)))))
    (local.get $sum)))
;; Code of "run", its loops of 37 bytes:
;; L2:
;;     cmp rsp, [r15-0x10]
;;     jb slow2
;; L3:
;;     sub qword [r15-0x58], 0xA
;;     js slow3
;; L4:
;;     mov rax, [r13+rbx+8]                        ; may trap: MemoryOutOfBounds
;;     add rax, rsi
;;     mov rsi, rax
;;     sub ebx, 8
;;     jne L2
