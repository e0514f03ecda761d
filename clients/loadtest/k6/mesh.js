// k6 against a mesh: `k6 run clients/loadtest/k6/mesh.js`, from the root of the repository.
//
// Reads the contracts from protos/. Addresses: MEDMESH_URL, MEDMESH_LANGUAGE_URL, MEDMESH_RECOMMENDATION_URL (host:port), a token:
// MEDMESH_TOKEN, a priority (urgent, routine or bulk): MEDMESH_PRIORITY; the load: RATE (requests a second of each kind) and DURATION. k6's `constant-arrival-rate` is an open loop, but
// it counts latency from when a request was sent and drops what its virtual users cannot take up (`dropped_iterations`): the
// threshold below fails then, instead of hiding it.
import grpc from "k6/net/grpc";
import { check } from "k6";
import encoding from "k6/encoding";
import exec from "k6/execution";

const ROOT = "../../..";
const env = (name, usual) => __ENV[name] || usual;
const ADDRESSES = {
  orchestrator: env("MEDMESH_URL", "127.0.0.1:50060"),
  language: env("MEDMESH_LANGUAGE_URL", "127.0.0.1:50062"),
  recommendation: env("MEDMESH_RECOMMENDATION_URL", "127.0.0.1:50063"),
};
const NOTE = open(`${ROOT}/samples/note.txt`);
const PATIENT = open(`${ROOT}/samples/patient.json`, "b");
const IMAGE = open(`${ROOT}/samples/chest_xray.png`, "b");

const clients = {};
for (const [service, file] of [
  ["orchestrator", "medmesh/orchestrator/v1/orchestrator.proto"],
  ["language", "medmesh/language/v1/language.proto"],
  ["recommendation", "medmesh/recommendation/v1/recommendation.proto"],
]) {
  clients[service] = new grpc.Client();
  clients[service].load([`${ROOT}/protos`, `${ROOT}/clients/third_party`], file);
}

const scenario = (call) => ({
  executor: "constant-arrival-rate",
  exec: call,
  rate: Number(env("RATE", "2")),
  timeUnit: "1s",
  duration: env("DURATION", "30s"),
  preAllocatedVUs: 10,
  maxVUs: 100,
});

export const options = {
  scenarios: { notes: scenario("note"), treatments: scenario("treatments"), cases: scenario("diagnose") },
  thresholds: { checks: ["rate==1"], dropped_iterations: ["count==0"], grpc_req_duration: ["p(99)<10000"] },
};

const connected = {};
const metadata = {};
if (env("MEDMESH_TOKEN", "")) metadata.authorization = `Bearer ${__ENV.MEDMESH_TOKEN}`;
if (env("MEDMESH_PRIORITY", "")) metadata["x-medmesh-priority"] = __ENV.MEDMESH_PRIORITY;

function invoke(service, method, message) {
  const answers = `${method.split("/")[1]} answers`;
  try {
    if (!connected[service]) {
      clients[service].connect(ADDRESSES[service], { plaintext: env("TLS", "") === "" });
      connected[service] = true;
    }
    const answer = clients[service].invoke(method, message, { metadata, timeout: "30s" });
    check(answer, { [answers]: (one) => one.status === grpc.StatusOK });
    return answer;
  } catch (error) {
    check(null, { [answers]: () => false }); // without a connection there would be no check, and no threshold to break
    throw error;
  }
}

// Another note each time, so that no cache can answer.
const varied = () => `Line ${exec.scenario.iterationInTest} of ${exec.vu.idInTest}. ${NOTE}`;
const patient = { fhirBundle: encoding.b64encode(PATIENT) };

export function note() {
  invoke("language", "medmesh.language.v1.LanguageService/AnalyzeNote", { note: varied() });
}

export function treatments() {
  invoke("recommendation", "medmesh.recommendation.v1.RecommendationService/RankTreatments", { patient });
}

export function diagnose() {
  const content = encoding.b64encode(IMAGE);
  const answer = invoke("orchestrator", "medmesh.orchestrator.v1.DiagnosticService/Diagnose", {
    case: { images: [{ sources: [{ content }] }], note: varied(), patient },
  });
  check(answer.message, { "the diagnosis is complete": (one) => one && one.diagnosis.completeness === "COMPLETENESS_COMPLETE" });
}
