;;! loops
;; An imported function: code and context are loaded from the import's entry.
(module
  (import "host" "next" (func $next (param i32) (result i32)))
  (func (export "run") (param $n i32) (result i32) (local $x i32)
    (loop $again
      (local.set $x (call $next (local.get $x)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x)))
;; Code of "run", its loops of 35 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov eax, ebx
;;     mov r14, [rbp-8]
;;     mov r11, [r14+0x18]
;;     mov r14, [r14+0x20]
;;     call r11                                    ; safe point: 0 slots, registers 0x0
;;     mov ebx, eax
;;     sub r10d, 1
;;     jne L1
