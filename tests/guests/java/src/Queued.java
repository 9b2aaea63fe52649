import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import org.teavm.interop.Export;

/** Reference queues: each object that has died is told of once, those that are held are not. Waits while the collector works. */
public class Queued {
    static final int COUNT = 1000;
    static final ReferenceQueue<Object> queue = new ReferenceQueue<>();
    static final ArrayList<WeakReference<Object>> references = new ArrayList<>();
    static final Object[] held = new Object[COUNT];
    static final int[] times = new int[COUNT];
    static int told;
    static final int[][] ring = new int[50_000][];

    @Export(name = "_start")
    public static void start() {
        new Thread(Queued::run).start();
    }

    static void make() {
        for (int i = 0; i < COUNT; i++) {
            var object = new int[] { i };
            references.add(new WeakReference<>(object, queue));
            if (i % 4 == 0) {
                held[i] = object;
            }
        }
    }

    static void run() {
        make();
        while (told < COUNT * 3 / 4) {
            churn();
            try {
                Thread.sleep(1);
            } catch (InterruptedException e) {
                System.out.println("interrupted");
            }
            for (var reference = queue.poll(); reference != null; reference = queue.poll()) {
                count(reference);
            }
        }
        int once = 0;
        int alive = 0;
        for (int i = 0; i < COUNT; i++) {
            once += times[i] == (held[i] == null ? 1 : 0) ? 1 : 0;
            alive += references.get(i).get() == held[i] ? 1 : 0;
        }
        System.out.println("told " + told + " once " + once + " right " + alive);
    }

    /** Objects that live for a while, so that old ones are collected as well. */
    static void churn() {
        for (int i = 0; i < 100_000; i++) {
            ring[i % ring.length] = new int[i & 15];
        }
    }

    static void count(Reference<?> reference) {
        for (int i = 0; i < COUNT; i++) {
            if (references.get(i) == reference) {
                times[i]++;
                told++;
            }
        }
    }
}
