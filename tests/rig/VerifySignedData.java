import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.DefaultCMSSignatureAlgorithmNameGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.SignerInformationVerifier;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.DefaultSignatureAlgorithmIdentifierFinder;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/** java -cp … VerifySignedData.java SIGNED [MESSAGE]: prints true or false. */
public class VerifySignedData {
    /** The names of GM/T 0010, which BouncyCastle's CMS has to be told. */
    private static class Names extends DefaultCMSSignatureAlgorithmNameGenerator {
        Names() {
            setSigningEncryptionAlgorithmMapping(new ASN1ObjectIdentifier("1.2.156.10197.1.301.1"), "SM2");
            setSigningDigestAlgorithmMapping(new ASN1ObjectIdentifier("1.2.156.10197.1.401"), "SM3");
        }
    }

    public static void main(String[] files) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        byte[] signed = Files.readAllBytes(Path.of(files[0]));
        CMSSignedData data = files.length == 1
            ? new CMSSignedData(signed)
            : new CMSSignedData(new CMSProcessableByteArray(Files.readAllBytes(Path.of(files[1]))), signed);
        SignerInformation signer = data.getSignerInfos().getSigners().iterator().next();
        Object certificate = data.getCertificates().getMatches(signer.getSID()).iterator().next();
        System.out.println(signer.verify(new SignerInformationVerifier(
            new Names(),
            new DefaultSignatureAlgorithmIdentifierFinder(),
            new JcaContentVerifierProviderBuilder().setProvider("BC").build((X509CertificateHolder) certificate),
            new JcaDigestCalculatorProviderBuilder().setProvider("BC").build())));
    }
}
