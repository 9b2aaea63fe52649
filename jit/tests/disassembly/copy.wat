;;! loops
;; Block operations call the runtime.
(module
  (type $bytes (array (mut i8)))
  (memory 1)
  (func (export "run") (param $from (ref $bytes)) (param $to (ref $bytes)) (param $n i32)
    (loop $again
      (array.copy $bytes $bytes (local.get $to) (i32.const 0) (local.get $from) (i32.const 0) (i32.const 16))
      (memory.copy (i32.const 0) (local.get $n) (i32.const 16))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
;; Code of "run", its loops of 126 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov r14, [rbp-8]
;;     mov r11d, [rbp-0x2C]
;;     mov [rsp+8], r11
;;     mov r11d, [rbp-0x30]
;;     mov [rsp+0x18], r11
;;     mov qword [rsp+0x10], 0
;;     mov qword [rsp+0x20], 0
;;     mov qword [rsp+0x28], 0x10
;;     mov qword [rsp], 0
;;     call qword [r15-0xF40]                      ; safe point: 2 slots, registers 0x0
;;     mov qword [rsp+0x10], 0
;;     mov [rsp+0x18], rbx
;;     mov qword [rsp+0x20], 0x10
;;     mov qword [rsp], 0
;;     mov qword [rsp+8], 0
;;     call qword [r15-0xFC0]                      ; safe point: 2 slots, registers 0x0
;;     sub ebx, 1
;;     jne L1
