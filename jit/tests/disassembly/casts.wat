;;! loops
;; A cast to a type with subtypes compares the header, then the display of supertypes; one to a final type the header.
(module
  (type $shape (sub (struct (field $kind i32))))
  (type $circle (sub $shape (struct (field $kind i32) (field $radius f64))))
  (type $square (sub final $shape (struct (field $kind i32) (field $side i32))))
  (func (export "run") (param $shape (ref null $shape)) (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (ref.test (ref $circle) (local.get $shape))))
      (local.set $sum (i32.add (local.get $sum)
        (struct.get $square $side (ref.cast (ref $square) (local.get $shape)))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
;; Code of "run", its loops of 86 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     xor r11d, r11d
;;     test esi, esi
;;     je L3
;;     mov r11d, [r15+rsi*4]
;;     shr r11d, 8
;; L3:
;;     cmp dword [r15+r11*8-0x800FFFC], 0          ; id of type 1
;;     sete al
;;     movzx eax, al
;;     add eax, ebx
;;     mov ebx, eax
;;     mov r11d, [r15+rsi*4]                       ; may trap: CastFailure
;;     shr r11d, 8
;;     cmp r11d, 0                                 ; id of type 2
;;     jne trap CastFailure
;;     mov eax, [r15+rsi*4+8]
;;     add eax, ebx
;;     mov ebx, eax
;;     sub edi, 1
;;     jne L1
