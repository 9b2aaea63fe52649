import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jetbrains.kotlin.cli.common.ExitCode;
import org.jetbrains.kotlin.cli.js.KotlinWasmCompiler;

/** Compile JARS SCRATCH OUT SOURCES NAME...: each SOURCES/NAME.kt to OUT/NAME.wasm, in one JVM. */
public final class Compile {
    public static void main(String[] args) throws Exception {
        Path jars = Path.of(args[0]), out = Path.of(args[2]), sources = Path.of(args[3]);
        String library;
        try (Stream<Path> files = Files.list(jars)) {
            library = files.map(Path::toString).filter(f -> f.contains("kotlin-stdlib-wasm-wasi")).findFirst().orElseThrow();
        }
        for (String name : List.of(args).subList(4, args.length)) {
            Path scratch = Path.of(args[1], name);
            List<String> both = List.of("-Xwasm-target=wasm-wasi", "-libraries", library, "-ir-output-name", name,
                    "-ir-output-dir", scratch.toString(),
                    "-opt-in=kotlin.wasm.unsafe.UnsafeWasmMemoryApi,kotlin.wasm.ExperimentalWasmInterop");
            // Sources to a library; the library, and what it needs of the standard library, to a module.
            run(both, "-Xir-produce-klib-file", sources.resolve(name + ".kt").toString());
            run(both, "-Xir-produce-js", "-Xir-dce", "-Xinclude=" + scratch.resolve(name + ".klib"));
            Files.copy(scratch.resolve(name + ".wasm"), out.resolve(name + ".wasm"), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static void run(List<String> both, String... more) {
        List<String> all = new ArrayList<>(both);
        all.addAll(List.of(more));
        if (new KotlinWasmCompiler().exec(System.err, all.toArray(new String[0])) != ExitCode.OK) System.exit(1);
    }
}
