;;! loops
;; Numeric fields are read and written by one instruction each; null is noticed by a fault.
(module
  (type $counter (struct (field $count (mut i64)) (field $step i32) (field $flags (mut i8))))
  (func (export "run") (param $counter (ref null $counter)) (param $n i32)
    (loop $again
      (struct.set $counter $count (local.get $counter)
        (i64.add (struct.get $counter $count (local.get $counter))
          (i64.extend_i32_s (struct.get $counter $step (local.get $counter)))))
      (struct.set $counter $flags (local.get $counter)
        (i32.or (struct.get_u $counter $flags (local.get $counter)) (i32.const 1)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
;; Code of "run", its loops of 50 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov rax, [r15+rsi*4+8]                      ; may trap: NullStruct
;;     mov ecx, [r15+rsi*4+0x10]                   ; may trap: NullStruct
;;     movsxd rcx, ecx
;;     add rax, rcx
;;     mov [r15+rsi*4+8], rax                      ; may trap: NullStruct
;;     movzx eax, byte [r15+rsi*4+0x14]            ; may trap: NullStruct
;;     or eax, 1
;;     mov [r15+rsi*4+0x14], al                    ; may trap: NullStruct
;;     sub edi, 1
;;     jne L1
