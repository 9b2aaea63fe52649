import org.teavm.interop.Export;

/** Compiled with names: an exception of the program's own leaves a thread that nobody waits for. */
public class Named {
    static class Refused extends RuntimeException {
        Refused(String message) {
            super(message);
        }
    }

    static void refuse(int number) {
        throw new Refused("nr. " + number + " \u00fcber \ud83c\udf89");
    }

    @Export(name = "_start")
    public static void start() {
        System.out.print("before");
        refuse(7);
    }
}
