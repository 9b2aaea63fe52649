import java.io.File;
import java.net.URL;
import java.net.URLClassLoader;
import org.teavm.model.ClassHolder;
import org.teavm.model.ClassHolderTransformer;
import org.teavm.model.ClassHolderTransformerContext;
import org.teavm.model.MethodDescriptor;
import org.teavm.model.emit.ProgramEmitter;
import org.teavm.tooling.ConsoleTeaVMToolLog;
import org.teavm.tooling.TeaVMProblemRenderer;
import org.teavm.tooling.TeaVMTargetType;
import org.teavm.tooling.TeaVMTool;
import org.teavm.vm.TeaVMOptimizationLevel;

/** Usage: Drive MainClass classesDir outDir name.wasm [strict] [named] — compiles one program to WasmGC. */
public final class Drive {
    /**
     * TeaVM's Throwable records a stack trace through JavaScript objects, which is the only reason a plain
     * program would need the JS interop layer. Drop it: fillInStackTrace() returns this and does nothing.
     */
    public static final class NoStackTraces implements ClassHolderTransformer {
        @Override
        public void transformClass(ClassHolder cls, ClassHolderTransformerContext context) {
            if (!cls.getName().equals("java.lang.Throwable")) {
                return;
            }
            var method = cls.getMethod(new MethodDescriptor("fillInStackTrace", Throwable.class));
            var emit = ProgramEmitter.create(method, context.getHierarchy());
            emit.var(0, cls).returnValue();
        }
    }

    public static void main(String[] args) throws Exception {
        var log = new ConsoleTeaVMToolLog(false);
        var tool = new TeaVMTool();
        tool.setTargetType(TeaVMTargetType.WEBASSEMBLY_GC);
        tool.setMainClass(args[0]);
        tool.setTargetDirectory(new File(args[2]));
        tool.setTargetFileName(args[3]);
        tool.setOptimizationLevel(TeaVMOptimizationLevel.FULL);
        var options = java.util.List.of(args).subList(4, args.length);
        tool.setObfuscated(!options.contains("named"));
        tool.setStrict(options.contains("strict"));
        tool.setLog(log);
        tool.getTransformers().add(NoStackTraces.class.getName());
        tool.setClassLoader(new URLClassLoader(new URL[] { new File(args[1]).toURI().toURL() },
                Drive.class.getClassLoader()));
        tool.generate();
        if (!tool.getProblemProvider().getSevereProblems().isEmpty()) {
            TeaVMProblemRenderer.describeProblems(tool.getDependencyInfo().getCallGraph(),
                    tool.getProblemProvider(), log);
            System.exit(1);
        }
    }
}
