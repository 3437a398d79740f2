import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.List;
import java.util.Set;
import org.h2.mvstore.MVStore;

/** A server that speaks MongoDB's protocol and keeps its data in one H2 file: port, file. */
public class Main {
    /** The library calls itself older than what it can do, and today's drivers refuse that age. */
    private static final class Modern implements MongoVersion {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(5, 0, 0);
        }

        @Override
        public int getWireVersion() {
            return 13;
        }
    }

    /** Writes are in the file before they are answered, each command whole or not at all. */
    private static final class Durable extends H2Backend {
        private static final Set<String> WRITES =
            Set.of(
                "insert", "update", "delete", "findandmodify", "create", "drop", "dropdatabase",
                "createindexes", "dropindexes", "renamecollection");
        private static final int COMPACT_EVERY = 2_000;
        private int commits;

        Durable(String file) {
            // The store's own commits would come in the middle of a command.
            super(new MVStore.Builder().fileName(file).autoCommitDisabled().open());
            getMvStore().setRetentionTime(0); // old versions make room at once
        }

        @Override
        public Document handleMessage(MongoMessage message) {
            String command = message.getDocument().keySet().iterator().next().toLowerCase();
            return WRITES.contains(command) ? write(message) : super.handleMessage(message);
        }

        private synchronized Document write(MongoMessage message) {
            Document answer = super.handleMessage(message);
            getMvStore().commit();
            if (++commits % COMPACT_EVERY == 0) {
                getMvStore().compact(50, 16 * 1024 * 1024);
            }
            return answer;
        }
    }

    public static void main(String[] arguments) {
        Durable backend = new Durable(arguments[1]);
        backend.version(new Modern());
        MongoServer server = new MongoServer(backend);
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
    }
}
