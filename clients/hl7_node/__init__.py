"""The HL7 v2 node: takes messages by MLLP, asks the mesh about them, sends its answers as messages."""
