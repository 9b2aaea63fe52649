import org.teavm.interop.Export;

/** Interned strings: the same for equal texts as long as somebody has one, and gone afterwards. */
public class Interned {
    static final int HELD = 500;

    static String text(int i) {
        return "text " + i;
    }

    @Export(name = "_start")
    public static void start() {
        var held = new String[HELD];
        for (int i = 0; i < HELD; i++) {
            held[i] = text(i).intern();
        }
        int same = 0;
        int length = 0;
        for (int round = 0; round < 5; round++) {
            for (int i = 0; i < 20_000; i++) {
                length += text(round * 20_000 + i).intern().length();
            }
            for (int i = 0; i < HELD; i++) {
                same += text(i).intern() == held[i] ? 1 : 0;
            }
        }
        System.out.println("same " + same + " length " + length + " " + (text(HELD).intern() == text(HELD).intern())
                + " " + (new String("constant").intern() == "constant".intern()));
    }
}
