;;! function
;; All of a function that stores a reference: prologue, store, and out of line the call that logs the object.
(module
  (type $node (struct (field $next (mut (ref null $node)))))
  (func (export "run") (param $from (ref null $node)) (param $to (ref null $node))
    (struct.set $node $next (local.get $from) (local.get $to))))
;; Code of "run", all 61 bytes:
;;     test byte [r15+rax*4], 2                    ; may trap: NullStruct
;;     jne slow0
;; L0:
;;     mov [r15+rax*4+4], edx
;;     ret
;; slow0:
;;     lea r11d, [rdx-1]
;;     cmp r11d, [r15-0x5C]
;;     ja L0
;;     mov r11d, eax
;;     call qword [r15-0xFF0]                      ; safe point: 0 slots, registers 0x5
;;     jmp L0
