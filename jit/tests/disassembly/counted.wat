;;! loops count-targets
;; A call by a reference in a function that counts: the runtime is told what is called while a word says so.
(module
  (type $f (func (param i32) (result i32)))
  (func (export "run") (param $n i32) (param $f (ref null $f)) (result i32) (local $x i32)
    (loop $again
      (local.set $x (call_ref $f (local.get $x) (local.get $f)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x)))
;; Code of "run", its loops of 57 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov r14d, [rbp-0x28]
;;     mov r11, [rel constant]                     ; whether function 0 counts
;;     test r11, r11
;;     jne slow2
;; L3:
;;     mov eax, ebx
;;     mov r11, [r15+r14*4+8]                      ; may trap: NullFunction
;;     mov r14d, [r15+r14*4+4]
;;     lea r14, [r15+r14*4]
;;     call r11                                    ; safe point: 1 slots, registers 0x0
;;     mov ebx, eax
;;     sub r10d, 1
;;     jne L1
