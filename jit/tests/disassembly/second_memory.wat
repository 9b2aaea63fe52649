;;! loops
;; Two memories: the base of the second one is loaded from the context.
(module
  (memory 1)
  (memory $second 1)
  (func (export "run") (param $n i32)
    (loop $again
      (i32.store $second (local.get $n) (i32.load (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 4)))))))
;; Code of "run", its loops of 24 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov eax, [r13+rbx]                          ; may trap: MemoryOutOfBounds
;;     mov [r10+rbx], eax                          ; may trap: MemoryOutOfBounds
;;     sub ebx, 4
;;     jne L1
