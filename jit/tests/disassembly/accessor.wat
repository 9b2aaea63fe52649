;;! function
;; A function of a few operators that calls nothing has no frame.
(module
  (type $point (struct (field i32) (field i64)))
  (func (export "run") (param (ref null $point)) (result i64) (struct.get $point 1 (local.get 0))))
;; Code of "run", all 16 bytes:
;;     mov rcx, [r15+rax*4+8]                      ; may trap: NullStruct
;;     mov rax, rcx
;;     ret
