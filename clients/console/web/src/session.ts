// Who is signed in. The console holds the tokens; the page knows a name, and asks where to go to end the session.
import { look } from "./catalog";
import { update } from "./state";

export interface Session {
  /** Whether the console knows an identity provider. */
  login: boolean;
  /** What it calls the person; empty: nobody is signed in. */
  name: string;
}

/** Asks who is signed in: at the start, and where the mesh asks for an identity. */
export async function askSession(): Promise<void> {
  try {
    const answer = await fetch("/session");
    if (answer.ok) update({ session: (await answer.json()) as Session });
  } catch {
    // The health of the page says that the console is away.
  }
}

export async function signOut(): Promise<void> {
  const answer = await fetch("/logout", { method: "POST" });
  const { leads_to } = (await answer.json()) as { leads_to: string };
  if (leads_to === "/") {
    await askSession();
    await look();
  } else location.assign(leads_to);
}
