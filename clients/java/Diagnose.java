import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.medmesh.common.v1.PatientInput;
import com.medmesh.imaging.v1.ImageSource;
import com.medmesh.orchestrator.v1.CaseImage;
import com.medmesh.orchestrator.v1.DiagnoseRequest;
import com.medmesh.orchestrator.v1.Diagnosis;
import com.medmesh.orchestrator.v1.DiagnosticCase;
import com.medmesh.orchestrator.v1.DiagnosticServiceGrpc;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * Sends an image, a note and a FHIR bundle to a running mesh and prints how probable each condition is.
 *
 * <pre>java Diagnose 127.0.0.1:50060 chest.dcm note.txt bundle.json</pre>
 */
public final class Diagnose {
  public static void main(String[] arguments) throws IOException {
    ManagedChannel channel = ManagedChannelBuilder.forTarget(arguments[0]).usePlaintext().build();
    try {
      DiagnosticCase input =
          DiagnosticCase.newBuilder()
              .addImages(
                  CaseImage.newBuilder()
                      .addSources(ImageSource.newBuilder().setContent(read(arguments[1]))))
              .setNote(Files.readString(Path.of(arguments[2])))
              .setPatient(PatientInput.newBuilder().setFhirBundle(read(arguments[3])))
              .build();
      Diagnosis diagnosis =
          DiagnosticServiceGrpc.newBlockingStub(channel)
              .withDeadlineAfter(30, TimeUnit.SECONDS)
              .diagnose(DiagnoseRequest.newBuilder().setCase(input).build())
              .getDiagnosis();
      System.out.println(diagnosis.getCompleteness());
      diagnosis.getAssessmentsList().forEach(
          found ->
              System.out.printf(
                  "%.1f%%  %s%n", 100 * found.getProbability(), found.getCondition().getDisplay()));
    } catch (StatusRuntimeException error) {
      System.err.println(explain(error));
      System.exit(1);
    } finally {
      channel.shutdownNow();
    }
  }

  /** What an error of medmesh carries beside its status and sentence, one line a fact. */
  private static String explain(StatusRuntimeException error) throws InvalidProtocolBufferException {
    StringBuilder lines = new StringBuilder(error.getMessage());
    com.google.rpc.Status status = StatusProto.fromThrowable(error);
    for (Any detail : status == null ? java.util.List.<Any>of() : status.getDetailsList()) {
      if (detail.is(ErrorInfo.class)) { // the names are those of docs/errors.md
        lines.append("\nreason: ").append(detail.unpack(ErrorInfo.class).getReason());
      } else if (detail.is(BadRequest.class)) {
        detail.unpack(BadRequest.class).getFieldViolationsList().forEach(
            fault ->
                lines.append("\n").append(fault.getField()).append(": ").append(fault.getDescription()));
      }
    }
    return lines.toString();
  }

  private static ByteString read(String path) throws IOException {
    return ByteString.copyFrom(Files.readAllBytes(Path.of(path)));
  }
}
