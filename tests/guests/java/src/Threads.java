import java.util.ArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.teavm.interop.Export;

/** Threads, which TeaVM makes of calls that the host is asked for: sleeping, waiting, joining, and what they leave undone. */
public class Threads {
    static final Object lock = new Object();
    static int turns;

    static void sleep(int ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            System.out.println("interrupted");
        }
    }

    @Export(name = "_start")
    public static void start() {
        new Thread(Threads::run, "main").start();
        System.out.println("started");
    }

    static void run() {
        var threads = new ArrayList<Thread>();
        for (int i = 0; i < 5; i++) {
            int number = i;
            var thread = new Thread(() -> {
                sleep(20);
                synchronized (lock) {
                    System.out.println("thread " + number + " is turn " + turns++);
                    lock.notifyAll();
                }
            });
            threads.add(thread);
            thread.start();
        }
        synchronized (lock) {
            while (turns < 5) {
                try {
                    lock.wait();
                } catch (InterruptedException e) {
                    System.out.println("interrupted");
                }
            }
        }
        for (var thread : threads) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                System.out.println("interrupted");
            }
        }
        long before = System.currentTimeMillis();
        sleep(20);
        System.out.println("slept " + (System.currentTimeMillis() - before >= 20));
        var count = new AtomicInteger();
        for (int i = 0; i < 1000; i++) {
            new Thread(() -> {
                Thread.yield();
                count.incrementAndGet();
            }).start();
        }
        while (count.get() < 1000) {
            Thread.yield();
        }
        System.out.println("counted " + count.get());
        var sleeper = new Thread(() -> sleep(500));
        sleeper.start();
        sleep(1);
        sleeper.interrupt();
        System.out.print("no line end");
    }
}
