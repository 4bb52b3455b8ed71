import ca.uhn.hl7v2.DefaultHapiContext;
import ca.uhn.hl7v2.HL7Exception;
import ca.uhn.hl7v2.app.Connection;
import ca.uhn.hl7v2.app.HL7Service;
import ca.uhn.hl7v2.app.Initiator;
import ca.uhn.hl7v2.model.Message;
import ca.uhn.hl7v2.parser.CanonicalModelClassFactory;
import ca.uhn.hl7v2.protocol.ReceivingApplication;
import ca.uhn.hl7v2.util.Terser;
import ca.uhn.hl7v2.validation.impl.ValidationContextFactory;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** HAPI HL7v2 as an MLLP peer of the tests: `server PORT` answers what comes, `client PORT FILE...` sends. */
public class Peer {
    public static void main(String[] words) throws Exception {
        DefaultHapiContext context = new DefaultHapiContext();
        context.setValidationContext(ValidationContextFactory.noValidation());
        context.setModelClassFactory(new CanonicalModelClassFactory("2.5.1"));
        int port = Integer.parseInt(words[1]);
        if (words[0].equals("server")) {
            serve(context, port);
        } else {
            send(context, port, words);
            context.close();
            System.exit(0); // HAPI's threads would keep the process
        }
    }

    private static void serve(DefaultHapiContext context, int port) throws Exception {
        HL7Service service = context.newServer(port, false);
        service.registerApplication("*", "*", new ReceivingApplication<Message>() {
            public Message processMessage(Message message, Map<String, Object> facts) throws HL7Exception {
                try {
                    Terser terser = new Terser(message);
                    String about = message.getName().equals("ACK") ? terser.get("/MSA-2") : "-";
                    say(terser.get("/MSH-9-1") + " " + terser.get("/MSH-10") + " " + about);
                    return message.generateACK();
                } catch (IOException error) {
                    throw new HL7Exception(error);
                }
            }

            public boolean canProcess(Message message) {
                return true;
            }
        });
        service.startAndWait();
        say("ready");
    }

    private static void send(DefaultHapiContext context, int port, String[] words) throws Exception {
        Connection connection = context.newClient("127.0.0.1", port, false);
        Initiator initiator = connection.getInitiator();
        initiator.setTimeout(20, TimeUnit.SECONDS);
        for (int place = 2; place < words.length; place++) {
            String text = Files.readString(Path.of(words[place]), StandardCharsets.UTF_8);
            Terser answer = new Terser(initiator.sendAndReceive(context.getPipeParser().parse(text)));
            say(answer.get("/MSA-1") + " " + answer.get("/MSA-2"));
        }
        connection.close();
    }

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
